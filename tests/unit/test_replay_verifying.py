"""Comparing what the sockets received with the order and its audit: only disagreements are named."""

from typing import Any

import pytest

from tools.replay.ledger import TRIP_STEPS, Order, Won
from tools.replay.verifying import Seen, disagreements

ASKED = [{"driverId": "ann"}, {"driverId": "bob"}]


def event(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data}


class Case:
    """An order on which everybody agrees; tests spoil one thing."""

    def __init__(self, step: str = "completed") -> None:
        self.order = Order(2, "c", 600.0, order_id="o")
        self.order.told_driver, self.order.told_truck = "ann", "t"
        self.order.told_trip = step if step != "assigned" else ""
        self.won: Won | None = Won("ann", "t", step, step)
        self.status = {"completed": "completed", "assigned": "fully_filled"}.get(step, "in_progress")
        self.truck: dict[str, Any] = {"id": "t", "status": step, "driver": {"id": "ann"}}
        self.offers = [{"driverId": "ann", "state": "accepted"}, {"driverId": "bob", "state": "taken"}]
        steps = TRIP_STEPS[1 : TRIP_STEPS.index(step) + 1]
        self.events = [
            event("order_placed"),
            event("wave_sent", drivers=ASKED),
            event("truck_assigned", driverId="ann"),
            *(event("trip_status_changed", status=step) for step in steps),
        ]

    def found(self) -> list[str]:
        seen = Seen(self.order, frozenset({"ann", "bob"}), self.won)
        view = {"order": {"status": self.status}, "truckRequests": [self.truck]}
        return disagreements(seen, view, {"events": self.events, "offers": self.offers})


def expired() -> Case:
    case = Case("assigned")
    case.order = Order(2, "c", 600.0, order_id="o", told_end="order_expired")
    case.won, case.status = None, "expired"
    case.truck = {"id": "t", "status": "expired", "driver": None}
    case.offers = [{"driverId": "ann", "state": "expired"}, {"driverId": "bob", "state": "expired"}]
    case.events = [event("order_placed"), event("wave_sent", drivers=ASKED), event("order_expired")]
    return case


@pytest.mark.parametrize("step", TRIP_STEPS)
def test_an_order_that_all_sources_tell_alike_has_no_disagreement(step: str) -> None:
    assert Case(step).found() == []


def test_an_expired_order_that_all_sources_tell_alike_has_no_disagreement() -> None:
    assert expired().found() == []


def test_a_rejected_order_was_offered_to_nobody() -> None:
    case = expired()
    case.status = "rejected"
    assert case.found() == []


def test_an_order_that_still_searches_is_a_violation() -> None:
    case = expired()
    case.status = "active"
    assert case.found() == ["it is active: neither final nor running"]


def test_an_expiry_that_the_customer_was_not_sent_is_a_violation() -> None:
    case = expired()
    case.order.told_end = ""
    assert case.found() == ["it is expired, its customer was not sent order_expired"]


def test_an_expiry_sent_for_a_filled_order_is_a_violation() -> None:
    case = Case()
    case.order.told_end = "order_expired"
    assert case.found() == ["it is completed, its customer was sent order_expired"]


def test_another_driver_than_the_customer_was_sent_is_a_violation() -> None:
    case = Case()
    case.order.told_driver = "bob"
    assert case.found() == ["its driver is ann, its customer was sent bob"]


def test_an_accept_confirmed_to_another_driver_is_a_violation() -> None:
    case = Case()
    case.won = Won("bob", "t", "completed", "completed")
    assert case.found() == ["its driver is ann, the accept was confirmed to bob"]


def test_an_accept_that_was_never_confirmed_is_a_violation() -> None:
    case = Case()
    case.won = None
    assert case.found() == ["its driver is ann, the accept was confirmed to nobody"]


def test_a_step_that_was_confirmed_to_the_driver_and_is_missing_is_a_violation() -> None:
    case = Case("at_pickup")
    case.won = Won("ann", "t", "in_transit", "in_transit")
    assert case.found() == ["its truck is at_pickup, its driver was last confirmed in_transit"]


def test_a_step_on_its_way_when_the_replay_ended_is_none() -> None:
    case = Case("at_pickup")
    case.won = Won("ann", "t", "in_transit", "at_pickup")
    assert case.found() == []


def test_a_step_that_the_customer_was_not_sent_is_a_violation() -> None:
    case = Case("at_pickup")
    case.order.told_trip = "en_route_pickup"
    assert case.found() == ["its truck is at_pickup, its customer was last sent en_route_pickup"]


def test_an_offer_open_after_the_end_of_the_search_is_a_violation() -> None:
    case = Case()
    case.offers[1]["state"] = "open"
    assert case.found() == ["its search is over, and 1 of its offers are open"]


def test_a_driver_notified_without_a_trace_is_a_violation_for_each_source() -> None:
    case = Case()
    case.offers.pop()
    case.events[1] = event("wave_sent", drivers=ASKED[:1])
    assert case.found() == [
        "heard of by bob, who is not in its events",
        "heard of by bob, who is not in its offers",
    ]


def test_two_accepted_offers_are_one() -> None:
    case = Case()
    case.offers[1]["state"] = "accepted"
    assert case.found() == ["its driver is ann, accepted are the offers to ['ann', 'bob']"]


def test_an_audit_of_another_driver_or_of_other_steps_is_a_violation() -> None:
    case = Case()
    case.events[2] = event("truck_assigned", driverId="bob")
    case.events.pop()
    assert case.found() == [
        "its driver is ann, its events say bob",
        "its truck is completed, its events say en_route_pickup, at_pickup, in_transit, arrived_at_drop",
    ]


def test_an_order_placed_twice_is_a_violation() -> None:
    case = Case()
    case.events.insert(0, event("order_placed"))
    assert case.found() == ["it is completed, its events have 2 order_placed"]
