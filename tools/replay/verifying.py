"""Compares what the sockets received with what the system shows afterwards, order by order."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tools.replay.ledger import TRIP_STEPS, Offers, Order, Won
from tools.replay.world import World

# The system is idle by then; a few at a time finish a day of orders in minutes without being a load.
AT_ONCE = 8

RUNNING = frozenset({"partially_filled", "fully_filled", "in_progress"})
FINAL = frozenset({"completed", "expired", "cancelled", "rejected"})
RANK = {step: rank for rank, step in enumerate(TRIP_STEPS)}

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One thing about one order in which two sources differ."""

    line: int
    order_id: str
    what: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One order as its sockets received it: its customer's, those of the drivers asked, and of the winner."""

    order: Order
    asked: frozenset[str]
    won: Won | None


async def verify(world: World, done: Callable[[], None]) -> list[Disagreement]:
    """Reads every order back with its events; ``done`` is called after each of them."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def verified(order: Order) -> list[Disagreement]:
        async with gate:
            found = await _verify(world, order)
        done()
        return [Disagreement(order.line, order.order_id, what) for what in found]

    orders = [order for order in world.ledger.orders if order.order_id]
    return [disagreement for found in await asyncio.gather(*map(verified, orders)) for disagreement in found]


async def _verify(world: World, order: Order) -> list[str]:
    bearer = world.tokens.bearer(order.customer_id, "customer")
    view = await world.api.send("GET", f"/orders/{order.order_id}", bearer)
    if not view.ok:
        return [f"the order cannot be read: {view.code}"]
    story: dict[str, list[Any]] = {"events": [], "offers": []}
    # As an operator, since a customer does not see who was asked; one for each order, for the limits' sake.
    operator = world.tokens.bearer(f"replay-{order.order_id}", "ops")
    query: str | None = ""
    while query is not None:
        page = await world.api.send("GET", f"/ops/orders/{order.order_id}{query}", operator)
        if not page.ok:
            return [f"its events cannot be read: {page.code}"]
        for part, rows in story.items():
            rows += page.data[part]
        query = f"?cursor={page.data['nextCursor']}" if page.data["nextCursor"] else None
    return disagreements(_seen(world, order), view.data, story)


def _seen(world: World, order: Order) -> Seen:
    offers = world.ledger.offers.get(order.order_id) or Offers(0.0)
    asked = frozenset(world.drivers[number].id for number in offers.drivers)
    return Seen(order, asked, world.ledger.won.get(order.order_id))


def disagreements(seen: Seen, view: dict[str, Any], story: dict[str, Any]) -> list[str]:
    """What the sockets, the order (``view``) and its audit (``story``) differ in."""
    status = view["order"]["status"]
    if status not in RUNNING | FINAL:
        return [f"it is {status}: neither final nor running"]
    if status == "rejected":
        return []
    truck = view["truckRequests"][0]
    checks = (
        _end(seen, status),
        _driver(seen, truck),
        _trip(seen, truck),
        _audit(status, story["events"]),
        _audit_of_offers(seen, truck, story),
        _audit_of_trip(truck, story["events"]),
    )
    return [what for found in checks for what in found]


def _end(seen: Seen, status: str) -> Iterable[str]:
    told = seen.order.told_end == "order_expired"
    if told != (status == "expired"):
        yield f"it is {status}, its customer was {'' if told else 'not '}sent order_expired"


def _driver(seen: Seen, truck: dict[str, Any]) -> Iterable[str]:
    driver, told = _driver_of(truck), seen.order.told_driver
    if told != driver:
        yield f"its driver is {driver or 'nobody'}, its customer was sent {told or 'nobody'}"
    if driver and seen.order.told_truck != truck["id"]:
        yield f"its truck request is {truck['id']}, its customer was sent {seen.order.told_truck}"
    winner = seen.won.driver_id if seen.won else ""
    # A driver who is not of this replay may have accepted it; then nobody here was notified.
    if winner != driver and (winner or driver in seen.asked):
        yield f"its driver is {driver or 'nobody'}, the accept was confirmed to {winner or 'nobody'}"


def _trip(seen: Seen, truck: dict[str, Any]) -> Iterable[str]:
    rank = RANK.get(truck["status"], 0)
    if seen.won and not RANK[seen.won.agreed] <= rank <= RANK[seen.won.reported]:
        yield f"its truck is {truck['status']}, its driver was last confirmed {seen.won.agreed}"
    told = seen.order.told_trip
    if rank and told != truck["status"]:
        yield f"its truck is {truck['status']}, its customer was last sent {told or 'nothing'}"


def _audit(status: str, events: list[Event]) -> Iterable[str]:
    kinds = [event["type"] for event in events]
    for kind, expected in (("order_placed", True), ("order_expired", status == "expired")):
        if kinds.count(kind) != expected:
            yield f"it is {status}, its events have {kinds.count(kind)} {kind}"


def _audit_of_offers(seen: Seen, truck: dict[str, Any], story: dict[str, Any]) -> Iterable[str]:
    waves = {driver["driverId"] for wave in _data(story["events"], "wave_sent") for driver in wave["drivers"]}
    states = {offer["driverId"]: offer["state"] for offer in story["offers"]}
    for source, known in (("events", waves), ("offers", states.keys())):
        if unknown := seen.asked - known:
            yield f"heard of by {', '.join(sorted(unknown)[:3])}, who is not in its {source}"
    if still_open := [driver for driver, state in states.items() if state == "open"]:
        yield f"its search is over, and {len(still_open)} of its offers are open"
    accepted = [driver for driver, state in states.items() if state == "accepted"]
    if accepted != _nobody_or(_driver_of(truck)):
        yield f"its driver is {_driver_of(truck) or 'nobody'}, accepted are the offers to {accepted}"


def _audit_of_trip(truck: dict[str, Any], events: list[Event]) -> Iterable[str]:
    driver = _driver_of(truck)
    assigned = [event["driverId"] for event in _data(events, "truck_assigned")]
    if assigned != _nobody_or(driver):
        yield f"its driver is {driver or 'nobody'}, its events say {', '.join(assigned) or 'nobody'}"
    steps = [event["status"] for event in _data(events, "trip_status_changed")]
    if steps != list(TRIP_STEPS[1 : RANK.get(truck["status"], 0) + 1]):
        yield f"its truck is {truck['status']}, its events say {', '.join(steps) or 'nothing'}"


def _driver_of(truck: dict[str, Any]) -> str:
    return str((truck.get("driver") or {}).get("id", ""))


def _nobody_or(driver: str) -> list[str]:
    return [driver] if driver else []


def _data(events: list[Event], kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["type"] == kind]
