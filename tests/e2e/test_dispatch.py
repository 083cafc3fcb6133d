"""From the order to the truck, over real sockets on two web processes."""

import time

import pytest
import redis

from tests import scenes
from tests.system import Person, System, hear, on_duty, silence, until

SECONDS_TO_EXPIRE = 60


def somewhere(system: System, name: str, *vehicle: str) -> tuple[Person, Person, Person]:
    """Two drivers near the usual pickup, on two web processes, and a customer."""
    kind = (vehicle[0], vehicle[1])
    drivers = [on_duty(system.urls[number], f"{name}-{number}", 1 + number, kind) for number in (0, 1)]
    return drivers[0], drivers[1], Person(system.urls[0], "customer", name)


def test_two_drivers_on_two_web_processes_are_notified_and_one_wins(system: System, name: str) -> None:
    # The contract's payload; a driver of another vehicle stands nearer than both.
    ravi, mira, asha = somewhere(system, name, "TRUCK", "TATA_ACE")
    other = on_duty(system.urls[0], f"{name}-x", 0.1, ("TRUCK", "OPEN_17FT"))
    with ravi.socket() as first, mira.socket() as second, other.socket() as third, asha.socket() as customer:
        assert hear(first, "connected")["data"]["driverId"] == ravi.sub
        assert hear(customer, "connected")["data"]["activeOrder"] is None
        order = asha.order(scenes.body()).json()["data"]["order"]["id"]
        offers = [hear(socket, "new_broadcast")["data"] for socket in (first, second)]
        assert {offer["orderId"] for offer in offers} == {order}
        assert offers[0]["pickupDistanceKm"] == 1.0
        assert offers[0]["farePerTruck"] == 500
        answer = mira.http.post(
            f"/orders/{order}/accept", json={"truckRequestId": offers[1]["truckRequestId"]}
        )
        assert answer.json()["data"]["result"] == "accepted"
        late = ravi.http.post(f"/orders/{order}/accept", json={})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "TRUCK_TAKEN")
        confirmed = hear(customer, "truck_confirmed")["data"]
        assert confirmed["driver"]["id"] == mira.sub
        assert (confirmed["trucksFilled"], confirmed["totalTrucks"]) == (1, 1)
        assert hear(second, "trip_assigned")["data"]["orderId"] == order
        assert hear(first, "request_no_longer_available")["data"]["reason"] == "taken"
        assert [frame["type"] for frame in silence(third, 0.5)] == ["connected"]


def test_accepting_by_socket_is_answered_by_socket(system: System, name: str) -> None:
    ravi, mira, asha = somewhere(system, name, "TRUCK", name)
    with ravi.socket() as first, mira.socket() as second:
        order = asha.order(scenes.body(vehicle=("TRUCK", name))).json()["data"]["order"]["id"]
        for socket in (first, second):
            hear(socket, "new_broadcast")
            socket.send(f'{{"type": "accept_broadcast", "data": {{"orderId": "{order}"}}}}')
        answers = [hear(socket, "accept_confirmation")["data"] for socket in (first, second)]
        assert sorted(answer["result"] for answer in answers) == ["accepted", "refused"]
        assert [answer["code"] for answer in answers if answer["result"] == "refused"] == ["TRUCK_TAKEN"]


def test_an_offer_made_while_the_socket_was_away_comes_at_the_next_connect(system: System, name: str) -> None:
    ravi, _, asha = somewhere(system, name, "TRUCK", name)
    order = asha.order(scenes.body(vehicle=("TRUCK", name))).json()["data"]["order"]["id"]
    with ravi.socket(system.urls[1]) as socket:
        assert [offer["orderId"] for offer in hear(socket, "connected")["data"]["openBroadcasts"]] == [order]
        frame = hear(socket, "new_broadcast")
        assert frame["data"]["orderId"] == order
    with ravi.socket(system.urls[0]) as socket:
        assert hear(socket, "new_broadcast")["id"] == frame["id"]
        socket.send(f'{{"type": "broadcast_ack", "data": {{"id": {frame["id"]}}}}}')
        time.sleep(0.2)
    with ravi.socket(system.urls[0]) as socket:
        assert [frame["type"] for frame in silence(socket, 1)] == ["connected"]


def test_cancelling_tells_the_drivers(system: System, name: str) -> None:
    ravi, _, asha = somewhere(system, name, "TRUCK", name)
    with ravi.socket() as socket:
        order = asha.order(scenes.body(vehicle=("TRUCK", name))).json()["data"]["order"]["id"]
        hear(socket, "new_broadcast")
        asha.http.post(f"/orders/{order}/cancel", json={"reason": "rain"})
        assert hear(socket, "order_cancelled")["data"] == {"orderId": order, "reason": "rain"}


@pytest.mark.long
def test_what_nobody_takes_expires_after_sixty_seconds(system: System, name: str) -> None:
    one, two, asha = somewhere(system, name, "TRUCK", name)
    three = on_duty(system.urls[0], f"{name}-taker", 1, ("TRUCK", name + "x"))
    ravi = Person(system.urls[1], "customer", name + "-ravi")
    with one.socket() as first, two.socket() as second, asha.socket() as customer:
        begun = time.monotonic()
        order = asha.order(scenes.body(vehicle=("TRUCK", name))).json()["data"]["order"]["id"]
        taken = ravi.order(scenes.body(vehicle=("TRUCK", name + "x"))).json()["data"]["order"]["id"]
        assert three.http.post(f"/orders/{taken}/accept", json={}).status_code == 200
        for socket in (customer, first, second):
            hear(socket, "order_expired", SECONDS_TO_EXPIRE + 5)
            assert SECONDS_TO_EXPIRE - 0.1 <= time.monotonic() - begun <= SECONDS_TO_EXPIRE + 2
    assert asha.http.get(f"/orders/{order}").json()["data"]["order"]["status"] == "expired"
    assert ravi.http.get(f"/orders/{taken}").json()["data"]["order"]["status"] == "fully_filled"


def test_after_a_flush_orders_work_and_drivers_are_found_at_their_next_heartbeat(
    system: System, name: str, stores: object
) -> None:
    ravi, _, asha = somewhere(system, name, "TRUCK", name)
    with ravi.socket() as socket, asha.socket() as customer:
        hear(socket, "connected")
        socket.send('{"type": "update_location", "data": {"latitude": 28.5445, "longitude": 77.391}}')
        hear(customer, "connected")
        redis.Redis.from_url(system.environment["REDIS_URL"]).flushall()
        answer = asha.order(scenes.body(vehicle=("TRUCK", name)))
        assert answer.status_code == 201
        asha.http.post(f"/orders/{answer.json()['data']['order']['id']}/cancel", json={})
        socket.send('{"type": "heartbeat", "data": {}}')
        until(lambda: _is_found(asha, name), what="not found after the heartbeat")
        assert hear(socket, "new_broadcast")
    # The flush took the workers' signs of life as well; the next test finds the system as it began.
    until(lambda: asha.http.get(f"{system.urls[0]}/ready").status_code == 200, what="not ready again")


def _is_found(asha: Person, name: str) -> bool:
    answer = asha.order(scenes.body(vehicle=("TRUCK", name))).json()["data"]
    if answer["broadcastSummary"]["totalDriversNotified"]:
        return True
    asha.http.post(f"/orders/{answer['order']['id']}/cancel", json={})
    time.sleep(0.3)
    return False
