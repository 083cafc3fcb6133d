"""A customer and a driver of the replay, against a system that answers as the test wants."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tools.replay import customer, driving
from tools.replay.api import Answer, Api
from tools.replay.cabs import Track, Whereabouts
from tools.replay.clock import Clock
from tools.replay.customer import Customer, order_body
from tools.replay.driving import Job, drive
from tools.replay.ledger import Ledger, Order, State, Won
from tools.replay.places import Place
from tools.replay.reading import Trip
from tools.replay.sockets import Message
from tools.replay.tokens import Tokens
from tools.replay.world import World

PICKUP, DROP = Place(28.5355, 77.3910), Place(28.6139, 77.2090)
TRIP = Trip(7, 1000.0, PICKUP, DROP, 600.0)
PLACED = Answer(201, {"order": {"id": "o"}})
QUEUED = Answer(202, {"order": {"id": "o", "status": "queued"}})

System = Callable[[str, str, dict[str, Any] | None], Answer]


class ScriptedApi(Api):
    """An interface whose answers come from a function of the test."""

    def __init__(self, system: System) -> None:
        super().__init__("http://127.0.0.1:1")
        self.asked: list[tuple[str, dict[str, Any] | None, str]] = []
        self._system = system

    async def send(
        self, method: str, path: str, bearer: str, body: dict[str, Any] | None = None, key: str = ""
    ) -> Answer:
        self.asked.append((f"{method} {path}", body, key))
        await asyncio.sleep(0)
        return self._system(method, path, body)


class Phone:
    """A socket that is always connected and tells what the test has it tell."""

    connected = True
    tells: tuple[Message, ...] = ()

    def __init__(self, _url: str, _bearer: object, heard: Callable[[Message], None], _: Counter[str]) -> None:
        self._heard = heard

    async def stay_connected(self) -> None:
        await asyncio.sleep(0.02)
        for message in self.tells:
            self._heard(message)


def world(system: System) -> World:
    clock = Clock(TRIP.requested_at, 6000.0)
    return World(ScriptedApi(system), clock, Ledger(), Tokens(), "run")


def run(made: World, life: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def play() -> None:
        made.clock.start()
        try:
            async with asyncio.timeout(5):
                await life()
        finally:
            await made.stop()

    asyncio.run(play())


def lived(monkeypatch: pytest.MonkeyPatch, system: System, *tells: Message) -> tuple[Order, World]:
    monkeypatch.setattr(customer, "Socket", Phone)
    monkeypatch.setattr(customer, "POLL_S", 0.0)
    monkeypatch.setattr(Phone, "tells", tells)
    made = world(system)
    person: list[Customer] = []

    async def life() -> None:
        person.append(Customer(made, TRIP))
        await person[0].live()

    run(made, life)
    return person[0].order, made


def confirmed() -> Message:
    return Message("truck_confirmed", {"orderId": "o", "truckRequestId": "t", "driver": {"id": "ann"}})


def moved(status: str) -> Message:
    return Message("assignment_status_changed", {"orderId": "o", "truckRequestId": "t", "status": status})


def test_the_order_is_the_trip_with_its_price_from_its_distance() -> None:
    body = order_body(TRIP)
    (truck,) = body["vehicleRequirements"]
    assert body["pickup"] == {
        "latitude": 28.5355,
        "longitude": 77.391,
        "address": "Pickup at 28.53550, 77.39100",
    }
    assert 25 < body["distanceKm"] < 26
    assert (truck["vehicleType"], truck["vehicleSubtype"], truck["quantity"]) == ("TRUCK", "TATA_ACE", 1)
    assert truck["pricePerTruck"] == round(customer.FLAG_FALL + customer.FARE_PER_KM * body["distanceKm"], 2)


def test_a_customer_is_notified_of_their_truck_until_it_has_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order, made = lived(
        monkeypatch, lambda *_: PLACED, confirmed(), moved("en_route_pickup"), moved("completed")
    )
    assert order.state is State.COMPLETED
    assert (order.told_driver, order.told_truck, order.told_trip) == ("ann", "t", "completed")
    assert (order.answer_status, order.order_id, made.ledger.by_id["o"]) == (201, "o", order)
    assert isinstance(made.api, ScriptedApi)
    assert made.api.asked == [("POST /orders", order_body(TRIP), "replay-run-7")]


def test_a_customer_is_notified_of_the_end_of_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    order, _ = lived(monkeypatch, lambda *_: PLACED, Message("order_expired", {"orderId": "o"}))
    assert (order.state, order.told_end) == (State.EXPIRED, "order_expired")


def test_a_queued_order_is_asked_about_until_it_is_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["queued", "queued", "active"])

    def system(method: str, *_: object) -> Answer:
        return QUEUED if method == "POST" else Answer(200, {"order": {"status": next(states)}})

    order, made = lived(monkeypatch, system, Message("order_expired", {}))
    assert (order.answer_status, order.state) == (202, State.EXPIRED)
    assert isinstance(made.api, ScriptedApi)
    assert [what for what, _, _ in made.api.asked] == ["POST /orders", *["GET /orders/o"] * 3]


@pytest.mark.parametrize("rejection", ["ACTIVE_ORDER_EXISTS", {"code": "ACTIVE_ORDER_EXISTS"}])
def test_a_queued_order_may_be_rejected(monkeypatch: pytest.MonkeyPatch, rejection: object) -> None:
    def system(method: str, *_: object) -> Answer:
        rejected = {"order": {"status": "rejected", "rejection": rejection}}
        return QUEUED if method == "POST" else Answer(200, rejected)

    order, _ = lived(monkeypatch, system)
    assert (order.state, order.code) == (State.REJECTED, "ACTIVE_ORDER_EXISTS")


@pytest.mark.parametrize(
    ("answer", "state", "failures"),
    [
        (Answer(409, code="ACTIVE_ORDER_EXISTS"), State.REFUSED, 0),
        (Answer(429, code="RATE_LIMIT_EXCEEDED"), State.REFUSED, 0),
        (Answer(500, code="INTERNAL_ERROR"), State.REFUSED, 1),
        (Answer(0, code="NO_ANSWER"), State.UNANSWERED, 1),
    ],
)
def test_a_refused_order_is_counted_by_its_code_and_a_broken_system_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, state: State, failures: int
) -> None:
    order, made = lived(monkeypatch, lambda *_: answer)
    assert (order.state, order.code) == (state, answer.code)
    assert made.ledger.failures.total() == failures


def test_nobody_posts_once_the_replay_is_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customer, "Socket", Phone)
    made = world(lambda *_: PLACED)
    made.closing = True

    async def life() -> None:
        await Customer(made, TRIP).live()

    run(made, life)
    assert made.ledger.orders == []


JOB = Job("o", "t", PICKUP, DROP)


def driven(system: System, job: Job = JOB) -> tuple[World, Won, Whereabouts]:
    made, won = world(system), Won("ann", "t")
    made.ledger.identify(Order(7, "c", 600.0), "o")
    track = Track()
    track.add(0.0, PICKUP)
    whereabouts = Whereabouts(track)

    async def life() -> None:
        await drive(made, "Bearer x", whereabouts, job, won)

    run(made, life)
    return made, won, whereabouts


def steps(made: World) -> list[str]:
    assert isinstance(made.api, ScriptedApi)
    return [body["status"] for _, body, _ in made.api.asked if body]


def test_a_trip_takes_its_steps_in_order_and_its_recorded_time() -> None:
    made, won, whereabouts = driven(lambda *_: Answer(200))
    assert steps(made) == ["en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed"]
    assert (won.reported, won.agreed) == ("completed", "completed")
    took = made.clock.now() - TRIP.requested_at
    assert took >= 600.0 + driving.LOADING_S + driving.UNLOADING_S
    assert whereabouts.at(made.clock.now()) != PICKUP


def test_a_trip_of_an_earlier_replay_is_taken_up_where_it_stands() -> None:
    made, _, _ = driven(lambda *_: Answer(200), Job("o", "t", PICKUP, DROP, "in_transit"))
    assert steps(made) == ["arrived_at_drop", "completed"]


def test_a_step_that_could_not_be_stored_is_reported_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "TRY_AGAIN_S", 0.0)
    answers = iter([Answer(503, code="SERVICE_UNAVAILABLE"), Answer(409, code="INVALID_TRANSITION")])
    made, won, _ = driven(lambda *_: next(answers, Answer(200)))
    assert steps(made)[:3] == ["en_route_pickup", "en_route_pickup", "at_pickup"]
    assert won.agreed == "completed"
    assert not made.ledger.failures


def test_a_trip_that_the_system_will_not_have_ends_and_is_a_failure() -> None:
    made, won, _ = driven(lambda *_: Answer(404, code="TRIP_NOT_FOUND"))
    assert steps(made) == ["en_route_pickup"]
    assert (won.reported, won.agreed) == ("en_route_pickup", "assigned")
    assert made.ledger.failures == {"POST /trips/…/status: TRIP_NOT_FOUND": 1}


def test_an_error_on_the_side_is_counted_and_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    made = world(lambda *_: PLACED)

    async def fails() -> None:
        raise KeyError("orderId")

    async def life() -> None:
        await asyncio.gather(made.spawn(fails()), return_exceptions=True)

    run(made, life)
    assert made.ledger.failures == {"replay error: KeyError('orderId')": 1}
    assert "an error of the replay itself" in caplog.text
