"""The Python client against the real processes: its retries, its sockets, and a whole trip."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest
from weelo_client import (
    AsyncCustomer,
    AsyncDriver,
    AsyncEvents,
    Customer,
    Driver,
    Event,
    Events,
    Placed,
    Queued,
    Refused,
    Replaced,
    RequestRefused,
    ServerClock,
    TokenExpired,
    WrongRole,
)
from weelo_client.shapes import NewOrder, Registration, TripStep

from tests import scenes
from tests.e2e.line import cut
from tests.system import System, ready, until
from web.identity.issuing import issue

STEPS: tuple[TripStep, ...] = ("en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed")
HERE = {"latitude": scenes.NOIDA[0] + 0.009, "longitude": scenes.NOIDA[1]}


def token(role: str, sub: str, lifetime: float = 3600) -> str:
    return issue(role, sub, timedelta(seconds=lifetime))


def body(name: str, **changes: Any) -> NewOrder:
    return cast("NewOrder", scenes.body(vehicle=("TRUCK", name), **changes))


def registration(name: str) -> Registration:
    return {
        "name": "Ravi",
        "phone": "+911234567890",
        "vehicleType": "TRUCK",
        "vehicleSubtype": name,
        "vehicleNumber": "DL 1 AB 1234",
    }


@pytest.fixture
def asha(system: System, name: str) -> Iterator[Customer]:
    with Customer(system.urls[0], token("customer", name)) as customer:
        yield customer


@pytest.fixture
def ravi(system: System, name: str) -> Iterator[Driver]:
    """A driver of a vehicle type of their own, on duty a kilometre from the usual pickup."""
    with Driver(system.urls[1], token("driver", name)) as driver:
        driver.register(registration(name))
        driver.available()
        assert driver.report({"latitude": HERE["latitude"], "longitude": HERE["longitude"]})["live"] == 1
        yield driver


def heard(events: Events, kind: str) -> Event:
    """The next event of this type."""
    for event in events:
        if event.type == kind:
            return event
    raise AssertionError(f"the socket ended before {kind}")


class CutLine(httpx.BaseTransport):
    """Passes requests on and loses the first answers."""

    def __init__(self, losses: int) -> None:
        self._inner, self._losses = httpx.HTTPTransport(), losses
        self.keys: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("X-Idempotency-Key", ""))
        response = self._inner.handle_request(request)
        if self._losses:
            self._losses -= 1
            response.close()
            raise httpx.ReadError("cut", request=request)
        return response

    def close(self) -> None:
        self._inner.close()


def test_an_order_whose_answers_are_lost_is_made_once(system: System, name: str) -> None:
    line = CutLine(losses=2)
    with httpx.Client(transport=line) as http:
        customer = Customer(system.urls[0], token("customer", name), http)
        result = customer.order(body(name))
        assert isinstance(result, Placed)
        assert result.replayed
        assert len(line.keys) == 3
        assert len(set(line.keys)) == 1
        assert [order["id"] for order in customer.list()["orders"]] == [result.order["id"]]


def test_a_step_whose_answer_is_lost_is_taken_once(
    system: System, asha: Customer, ravi: Driver, name: str
) -> None:
    order = asha.order(body(name))
    assert isinstance(order, Placed)
    truck = ravi.accept(order.order["id"])["truckRequestId"]
    with httpx.Client(transport=CutLine(losses=1)) as http:
        cut_off = Driver(system.urls[1], token("driver", name), http)
        assert cut_off.advance(truck, "en_route_pickup")["status"] == "en_route_pickup"
    with httpx.Client(transport=CutLine(losses=1)) as http:
        cut_off = Driver(system.urls[1], token("driver", name), http)
        assert cut_off.give_back(truck)["status"] == "searching"
    assert asha.cancel(order.order["id"])["order"]["status"] == "cancelled"


def test_refusals_are_results_of_an_order_and_exceptions_elsewhere(asha: Customer, name: str) -> None:
    first = asha.order(body(name))
    assert isinstance(first, Placed)
    second = asha.order(body(name))
    assert isinstance(second, Refused)
    assert (second.code, second.active_order_id) == ("ACTIVE_ORDER_EXISTS", first.order["id"])
    wrong = asha.order(body(name, distanceKm=-1))
    assert isinstance(wrong, Refused)
    assert wrong.details[0]["field"] == "distanceKm"
    with pytest.raises(RequestRefused) as raised:
        asha.get("nothing")
    assert (raised.value.code, raised.value.refusal.status) == ("ORDER_NOT_FOUND", 404)


def test_an_order_that_does_not_wait_is_queued_and_then_placed(asha: Customer, name: str) -> None:
    result = asha.order(body(name), key=name, at_once=True)
    assert isinstance(result, Queued)
    until(lambda: asha.get(result.order["id"])["order"]["status"] == "active")
    again = asha.order(body(name), key=name, at_once=True)
    assert isinstance(again, Queued)
    assert (again.order["id"], again.replayed) == (result.order["id"], True)


def test_a_whole_trip_on_both_sockets(asha: Customer, ravi: Driver, name: str) -> None:
    assert asha.active()["order"] is None
    clock = ServerClock()
    with asha.socket() as hears, ravi.socket() as drives:
        heard(hears, "connected")
        heard(drives, "connected")
        order = asha.order(body(name))
        assert isinstance(order, Placed)
        offer = heard(drives, "new_broadcast")
        clock.note(offer.at)
        assert 50 < clock.seconds_left(offer.data["expiresAt"]) <= 61
        assert [offer["orderId"] for offer in ravi.broadcasts()] == [order.order["id"]]
        won = ravi.accept(order.order["id"], offer.data["truckRequestId"])
        assert heard(hears, "truck_confirmed").data["driver"]["id"] == name
        drives_on = ravi.me()["currentTrip"]
        assert drives_on is not None
        assert drives_on["orderId"] == order.order["id"]
        for step in STEPS:
            ravi.advance(won["truckRequestId"], step)
            assert heard(hears, "assignment_status_changed").data["status"] == step
    story = asha.events(order.order["id"])
    assert [offered["state"] for offered in story["offers"]] == ["accepted"]
    assert "order_completed" in [event["type"] for event in story["events"]]
    assert asha.get(order.order["id"])["truckRequests"][0]["status"] == "completed"
    assert asha.track(won["truckRequestId"])["driverId"] == ravi.track(won["truckRequestId"])["driverId"]


def test_declining_and_going_off_duty(asha: Customer, ravi: Driver, name: str) -> None:
    order = asha.order(body(name))
    assert isinstance(order, Placed)
    ravi.decline(order.order["id"])
    with pytest.raises(RequestRefused, match="INVALID_TRANSITION"):
        ravi.accept(order.order["id"])
    assert ravi.available(False)["available"] is False


def test_only_what_was_finished_is_acknowledged(
    system: System, asha: Customer, ravi: Driver, name: str
) -> None:
    """The loop is left inside the offer's handling: it comes again. Finished, it does not."""
    asha.order(body(name))
    with ravi.socket() as left:
        first = heard(left, "new_broadcast")
    with ravi.socket() as resumed:
        assert heard(resumed, "new_broadcast").id == first.id
        assert resumed.send("nonsense")
        heard(resumed, "error")
    with ravi.socket() as third:
        stopping = threading.Timer(1, third.close)
        stopping.start()
        kinds = [event.type for event in third]
        stopping.join()
    assert kinds == ["connected"]


def test_it_reconnects_after_a_restart_and_misses_nothing(system: System, asha: Customer, name: str) -> None:
    url = system.start_web(f"web-{name}")
    port = urlsplit(url).port
    try:
        until(lambda: ready(url), 30)
        with Driver(url, token("driver", name)) as driver:
            driver.register(registration(name))
            driver.available()
            driver.report({"latitude": HERE["latitude"], "longitude": HERE["longitude"]})
            with driver.socket() as events:
                heard(events, "connected")
                os.killpg(system.processes[f"web-{name}"].pid, signal.SIGTERM)
                system.processes[f"web-{name}"].wait(20)
                order = asha.order(body(name))
                assert isinstance(order, Placed)
                system.run(f"web-{name}", system.commands["web"], PORT=str(port))
                assert heard(events, "new_broadcast").data["orderId"] == order.order["id"]
    finally:
        system.urls.remove(url)
        os.killpg(system.processes[f"web-{name}"].pid, signal.SIGTERM)


def test_both_kinds_of_socket_reconnect_after_their_line_was_cut(system: System, name: str) -> None:
    with cut(system.urls[0]) as (url, cuts):
        with Events(url, token("customer", name)) as events:
            assert [next(events).type for _ in range(2)] == ["connected"] * 2
        asyncio.run(_comes_back(AsyncEvents(url, token("driver", name))))
        assert len(cuts.sockets) == 2


async def _comes_back(events: AsyncEvents) -> None:
    assert [(await anext(events)).type for _ in range(2)] == ["connected"] * 2
    await events.close()


def test_it_ends_where_a_reconnect_would_be_wrong(system: System, ravi: Driver, name: str) -> None:
    with ravi.socket() as older:
        heard(older, "connected")
        with ravi.socket() as newer:
            heard(newer, "connected")
            with pytest.raises(Replaced):
                list(older)
    with pytest.raises(TokenExpired):
        list(Events(system.urls[0], "no token"))
    expiring = Events(system.urls[0], token("driver", name, lifetime=2))
    with pytest.raises(TokenExpired) as raised:
        list(expiring)
    assert raised.value.code == 4401


def test_heartbeats_are_sent_while_the_app_is_busy_and_a_flood_of_them_is_survived(
    system: System, name: str
) -> None:
    """The server hears so many that it closes with 1008, which nothing but heartbeats can bring about."""
    with Events(system.urls[0], token("driver", name), heartbeat_s=0.01) as events:
        assert next(events).type == "connected"
        until(
            lambda: not events.send("broadcast_ack", id=0),
            20,
            "the server has not closed the flooding socket",
        )
        assert next(events).type == "connected"


def test_the_asyncio_half_does_the_same(system: System, name: str) -> None:
    asyncio.run(_a_trip(system, name))


async def _a_trip(system: System, name: str) -> None:
    async with (
        httpx.AsyncClient() as http,
        AsyncCustomer(system.urls[0], token("customer", name), http) as asha,
        AsyncDriver(system.urls[1], token("driver", name)) as ravi,
    ):
        await ravi.register(registration(name))
        await ravi.available()
        async with ravi.socket() as drives, asha.socket() as hears:
            assert (await anext(drives)).type == (await anext(hears)).type == "connected"
            assert await drives.send("update_location", **HERE)
            here = await ravi.report({"latitude": HERE["latitude"], "longitude": HERE["longitude"]})
            assert here["received"]
            result = await asha.order(body(name))
            assert isinstance(result, Placed)
            assert (await anext(drives)).data["orderId"] == result.order["id"]
            await drives.send("accept_broadcast", orderId=result.order["id"])
            assert (await anext(hears)).type == "truck_confirmed"
            active = (await asha.active())["order"]
            assert active is not None
            assert active["id"] == result.order["id"]
            assert (await asha.cancel(result.order["id"]))["order"]["status"] == "cancelled"
        assert [event async for event in drives] == []
        assert [event async for event in hears] == []


@pytest.mark.parametrize("kind", [Customer, AsyncCustomer, Driver, AsyncDriver])
def test_a_token_of_another_role_is_refused_before_anything_is_sent(
    kind: type[Customer | AsyncCustomer | Driver | AsyncDriver],
) -> None:
    with pytest.raises(WrongRole, match="this token's role is 'ops'") as raised:
        kind("http://127.0.0.1:9", token("ops", "olga"))
    assert (raised.value.role, raised.value.wanted) == ("ops", kind.__name__.removeprefix("Async").lower())
