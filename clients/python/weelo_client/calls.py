"""Every request of the contract as a value: what is sent, and how its outcome is read.

The doors (``doors.py``) send them; nothing here knows how.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

from weelo_client.results import NoAnswer, OrderResult, Placed, Queued, RequestRefused, Undecided
from weelo_client.retrying import Outcome
from weelo_client.shapes import (
    Accepted,
    Broadcast,
    DriverView,
    Me,
    NewOrder,
    NoOrder,
    OrderPage,
    OrderStory,
    OrderView,
    Position,
    Received,
    Registration,
    Track,
    TripState,
    TripStep,
)

T = TypeVar("T")

# What a 201 says beside the order.
PLACED = ("truckRequests", "broadcastSummary", "timeoutSeconds")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request; ``path`` is below ``/api/v1``."""

    method: str
    path: str
    read: Callable[[Outcome], T]
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    # Whether the data of a success with this status are what ``read`` needs.
    fits: Callable[[int, Mapping[str, Any]], bool] = lambda _status, _data: True


def _having(*names: str) -> Callable[[int, Mapping[str, Any]], bool]:
    return lambda _status, data: all(name in data for name in names)


def _data(outcome: Outcome) -> Any:
    answer = outcome.answer
    if answer.ok:
        return answer.data
    if answer.leaves_doubt:
        raise NoAnswer(f"no usable answer (HTTP {answer.status or 'none'})")
    raise RequestRefused(answer.refused())


def _id(text: str) -> str:
    return quote(text, safe="")


def _get(path: str, **parameters: str | int | None) -> Call[Any]:
    given = {name: str(value) for name, value in parameters.items() if value is not None}
    return Call("GET", path, _data, parameters=given)


def order(body: NewOrder, key: str | None, at_once: bool, wait: int | None) -> Call[OrderResult]:
    """``POST /orders`` under a key of its own making, unless one is given."""
    chosen = key or uuid.uuid4().hex
    prefer = "respond-async" if at_once else "" if wait is None else f"wait={wait}"
    headers = {"X-Idempotency-Key": chosen} | ({"Prefer": prefer} if prefer else {})

    def read(outcome: Outcome) -> OrderResult:
        return _ordered(outcome, chosen)

    return Call("POST", "/orders", read, cast("Mapping[str, Any]", body), headers, fits=_is_order)


def _is_order(status: int, data: Mapping[str, Any]) -> bool:
    order = data.get("order")
    known = isinstance(order, dict) and "id" in order
    return known and (status == 202 or (status == 201 and set(PLACED) <= set(data)))


def _ordered(outcome: Outcome, key: str) -> OrderResult:
    answer = outcome.answer
    if outcome.undecided:
        raise Undecided(key, answer.refused() if answer.code else None)
    if not answer.ok:
        return answer.refused()
    data, replayed = answer.data, answer.headers.get("idempotent-replayed") == "true"
    if answer.status == 202:
        return Queued(data["order"], replayed)
    return Placed(
        data["order"], data["truckRequests"], data["broadcastSummary"], data["timeoutSeconds"], replayed
    )


def get(order_id: str) -> Call[OrderView]:
    return _get(f"/orders/{_id(order_id)}")


def active() -> Call[OrderView | NoOrder]:
    return _get("/orders/active")


def orders(limit: int | None, cursor: str | None, status: str | None) -> Call[OrderPage]:
    return _get("/orders", limit=limit, cursor=cursor, status=status)


def story(order_id: str, cursor: str | None) -> Call[OrderStory]:
    return _get(f"/orders/{_id(order_id)}/events", cursor=cursor)


def track(truck_request_id: str, after: str | None) -> Call[Track]:
    return _get(f"/trips/{_id(truck_request_id)}/track", after=after)


def cancel(order_id: str, reason: str) -> Call[OrderView]:
    return Call("POST", f"/orders/{_id(order_id)}/cancel", _data, {"reason": reason})


def register(registration: Registration) -> Call[DriverView]:
    return Call(
        "PUT", "/drivers/me", _driver, cast("Mapping[str, Any]", registration), fits=_having("driver")
    )


def available(wants_work: bool) -> Call[DriverView]:
    return Call("PUT", "/drivers/me/availability", _driver, {"available": wants_work}, fits=_having("driver"))


def _driver(outcome: Outcome) -> DriverView:
    return cast("DriverView", _data(outcome)["driver"])


def me() -> Call[Me]:
    return _get("/drivers/me")


def broadcasts() -> Call[Sequence[Broadcast]]:
    def read(outcome: Outcome) -> Sequence[Broadcast]:
        return cast("Sequence[Broadcast]", _data(outcome)["broadcasts"])

    return Call("GET", "/drivers/me/broadcasts", read, fits=_having("broadcasts"))


def report(positions: Sequence[Position]) -> Call[Received]:
    return Call("POST", "/drivers/me/locations", _data, {"locations": list(positions)})


def accept(order_id: str, truck_request_id: str | None) -> Call[Accepted]:
    body = {} if truck_request_id is None else {"truckRequestId": truck_request_id}
    return Call("POST", f"/orders/{_id(order_id)}/accept", _data, body)


def decline(order_id: str) -> Call[None]:
    def read(outcome: Outcome) -> None:
        _data(outcome)

    return Call("POST", f"/orders/{_id(order_id)}/decline", read, {})


def advance(truck_request_id: str, status: TripStep) -> Call[TripState]:
    """A step whose answer was lost is refused the second time, as one that the trip has taken."""
    done = TripState(truckRequestId=truck_request_id, status=status)

    def read(outcome: Outcome) -> TripState:
        taken = outcome.answer.code == "INVALID_TRANSITION" and (
            outcome.answer.refused().data.get("status") == status
        )
        return done if outcome.doubtful and taken else cast("TripState", _data(outcome))

    return Call("POST", f"/trips/{_id(truck_request_id)}/status", read, {"status": status})


def give_back(truck_request_id: str, reason: str) -> Call[TripState]:
    """A return whose answer was lost finds no trip of this driver the second time."""
    done = TripState(truckRequestId=truck_request_id, status="searching")

    def read(outcome: Outcome) -> TripState:
        if outcome.doubtful and outcome.answer.code == "TRIP_NOT_FOUND":
            return done
        return cast("TripState", _data(outcome))

    return Call("POST", f"/trips/{_id(truck_request_id)}/cancel", read, {"reason": reason})
