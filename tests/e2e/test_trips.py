"""A whole trip over the real doors: by requests, and by the socket alone."""

import json
import time
from typing import Any

from websockets.sync.client import ClientConnection

from tests import scenes
from tests.system import Person, System, hear, on_duty, silence

STEPS = ("en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed")


def order(customer: Person, name: str) -> str:
    return str(customer.order(scenes.body(vehicle=("TRUCK", name))).json()["data"]["order"]["id"])


def say(socket: ClientConnection, kind: str, **data: Any) -> None:
    socket.send(json.dumps({"type": kind, "data": data}))


def test_a_trip_by_requests(system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    stranger = on_duty(system.urls[1], f"{name}-x", 2, vehicle=("TRUCK", f"{name}-x"))
    asha, ravi = (Person(system.urls[1], "customer", f"{name}-{who}") for who in ("asha", "ravi"))
    with asha.socket() as hears:
        order_id = order(asha, name)
        truck = driver.http.post(f"/orders/{order_id}/accept", json={}).json()["data"]["truckRequestId"]
        assert driver.http.get("/drivers/me").json()["data"]["currentTrip"]["truckRequestId"] == truck
        for step in STEPS:
            refused = stranger.http.post(f"/trips/{truck}/status", json={"status": step})
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "TRIP_NOT_FOUND")
            moved = driver.http.post(f"/trips/{truck}/status", json={"status": step})
            assert moved.json()["data"] == {"truckRequestId": truck, "status": step}
            assert hear(hears, "assignment_status_changed")["data"]["status"] == step
        again = driver.http.post(f"/trips/{truck}/status", json={"status": "completed"})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "INVALID_TRANSITION")
    assert asha.http.get(f"/orders/{order_id}").json()["data"]["order"]["status"] == "completed"
    assert ravi.http.get(f"/orders/{order_id}").status_code == 404
    assert ravi.http.get(f"/trips/{truck}/track").status_code == 404
    assert stranger.http.get(f"/trips/{truck}/track").status_code == 404
    assert driver.http.get("/drivers/me").json()["data"]["currentTrip"] is None


def test_a_trip_by_the_socket_alone(system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    asha = Person(system.urls[1], "customer", name)
    with driver.socket() as drives, asha.socket() as hears:
        order_id = order(asha, name)
        offered = hear(drives, "new_broadcast")["data"]
        say(drives, "accept_broadcast", orderId=order_id, truckRequestId=offered["truckRequestId"])
        won = hear(drives, "accept_confirmation")["data"]
        truck = won["truckRequestId"]
        assert (won["result"], truck) == ("accepted", offered["truckRequestId"])
        assert hear(hears, "truck_confirmed")["data"]["truckRequestId"] == truck
        say(drives, "update_trip_status", truckRequestId=truck, status="completed")
        refused = hear(drives, "trip_confirmation")["data"]
        assert (refused["result"], refused["code"]) == ("refused", "INVALID_TRANSITION")
        for step in STEPS:
            say(drives, "update_trip_status", truckRequestId=truck, status=step)
            expected = {"truckRequestId": truck, "status": step, "result": "accepted"}
            assert hear(drives, "trip_confirmation")["data"] == expected
            assert hear(hears, "assignment_status_changed")["data"]["status"] == step
    assert asha.http.get(f"/orders/{order_id}").json()["data"]["order"]["status"] == "completed"


def test_a_truck_given_back_over_the_socket_is_offered_to_the_next(system: System, name: str) -> None:
    first, second = (on_duty(system.urls[n], f"{name}-{n}", 1 + n, ("TRUCK", name)) for n in (0, 1))
    asha = Person(system.urls[1], "customer", name)
    with first.socket() as gives, second.socket() as takes, asha.socket() as hears:
        order_id = order(asha, name)
        for socket in (gives, takes):
            hear(socket, "new_broadcast")
        say(gives, "accept_broadcast", orderId=order_id)
        truck = hear(gives, "accept_confirmation")["data"]["truckRequestId"]
        assert hear(takes, "request_no_longer_available")["data"]["reason"] == "taken"
        say(gives, "cancel_trip", truckRequestId=truck, reason="a flat tyre")
        back = {"truckRequestId": truck, "status": "searching", "result": "accepted"}
        assert hear(gives, "trip_confirmation")["data"] == back
        assert hear(hears, "assignment_status_changed")["data"]["status"] == "searching"
        assert hear(takes, "new_broadcast", 5)["data"]["truckRequestId"] == truck
        say(takes, "accept_broadcast", orderId=order_id)
        assert hear(takes, "accept_confirmation")["data"]["result"] == "accepted"
        assert hear(hears, "truck_confirmed")["data"]["driver"]["id"] == second.sub
        assert not [frame for frame in silence(gives, 1) if frame["type"] == "new_broadcast"]


def test_the_customer_sees_the_truck_move_and_its_way_is_kept(system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    asha = Person(system.urls[1], "customer", name)
    with driver.socket() as drives, asha.socket() as hears:
        order_id = order(asha, name)
        truck = driver.http.post(f"/orders/{order_id}/accept", json={}).json()["data"]["truckRequestId"]
        begun = time.monotonic()
        for step in range(25):
            say(drives, "update_location", latitude=28.5 + step / 1e4, longitude=77.4)
            time.sleep(0.1)
        lasted = time.monotonic() - begun
        seen = [frame["data"] for frame in silence(hears, 1) if frame["type"] == "location_updated"]
    assert {update["truckRequestId"] for update in seen} == {truck}
    assert 2 <= len(seen) <= lasted + 1
    assert [update["latitude"] for update in seen] == sorted(update["latitude"] for update in seen)
    deadline = time.monotonic() + 10
    way: list[Any] = []
    while len(way) < int(lasted) and time.monotonic() < deadline:
        way = asha.http.get(f"/trips/{truck}/track").json()["data"]["points"]
        time.sleep(0.2)
    seconds = [point["at"][:19] for point in way]
    assert seconds == sorted(set(seconds))
    assert [point["latitude"] for point in way] == sorted(point["latitude"] for point in way)
    assert len(driver.http.get(f"/trips/{truck}/track", params={"limit": 2}).json()["data"]["points"]) == 2
    wrong = asha.http.get(f"/trips/{truck}/track", params={"after": "yesterday"})
    assert (wrong.status_code, wrong.json()["error"]["details"][0]["field"]) == (400, "after")


def test_off_duty_means_no_offers(system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    asha = Person(system.urls[1], "customer", name)
    with driver.socket() as drives:
        order_id = order(asha, name)
        hear(drives, "new_broadcast")
        assert driver.http.put("/drivers/me/availability", json={"available": False}).status_code == 200
        withdrawn = hear(drives, "request_no_longer_available")["data"]
        assert withdrawn == {"orderId": order_id, "reason": "unavailable"}
    late = driver.http.post(f"/orders/{order_id}/accept", json={})
    assert (late.status_code, late.json()["error"]["code"]) == (404, "NOT_OFFERED")
    with driver.socket() as drives:
        assert hear(drives, "connected")["data"]["openBroadcasts"] == []
