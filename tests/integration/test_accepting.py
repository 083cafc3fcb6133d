"""Each truck goes to exactly one driver, and everybody else hears why not."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from models import db
from models.errors import (
    DomainError,
    DriverBusy,
    InvalidTransition,
    NotOffered,
    OrderCancelled,
    OrderExpired,
    TripNotFound,
    TruckTaken,
)
from tests import scenes
from workers.drivers import registering, trips
from workers.offers import accepting
from workers.offers.accepting import Acceptance
from workers.orders import cancelling, expiring
from workers.reading import current

pytestmark = pytest.mark.usefixtures("clean")


def told(accepted: Acceptance) -> list[tuple[str, str]]:
    assert accepted.followup is not None
    return [(message.to, message.type) for message in accepted.followup.messages]


def answers(order_id: str, drivers: list[str]) -> list[str]:
    def one(driver: str) -> str:
        try:
            accepting.accept(driver, order_id)
        except DomainError as error:
            return error.code
        return "accepted"

    with ThreadPoolExecutor(len(drivers)) as pool:
        return list(pool.map(one, drivers))


def test_the_first_accept_wins_and_everybody_concerned_is_notified() -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    order_id = scenes.placed().order_id
    won = accepting.accept("one", order_id)
    assert told(won) == [
        ("driver:one", "trip_assigned"),
        ("customer:asha", "truck_confirmed"),
        ("driver:two", "request_no_longer_available"),
    ]
    with pytest.raises(TruckTaken):
        accepting.accept("two", order_id)
    view = current.order(order_id)
    assert view["order"]["status"] == "fully_filled"
    assert view["truckRequests"][0]["driver"]["id"] == "one"


def test_accepting_again_what_one_has_won_is_the_same_success() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    first = accepting.accept("one", order_id)
    again = accepting.accept("one", order_id)
    assert again.trip == first.trip
    assert again.followup is None


def test_two_drivers_who_name_the_same_truck_both_get_one_if_there_are_two() -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    order_id = scenes.placed(trucks=2).order_id
    truck = current.order(order_id)["truckRequests"][0]["id"]
    first = accepting.accept("one", order_id, truck)
    second = accepting.accept("two", order_id, truck)
    assert first.trip["truckRequestId"] == truck != second.trip["truckRequestId"]


def test_twelve_drivers_at_once_and_three_trucks() -> None:
    drivers = [scenes.driver(f"d{number}") for number in range(12)]
    order_id = scenes.placed(trucks=3).order_id
    found = answers(order_id, drivers)
    assert sorted(found) == ["TRUCK_TAKEN"] * 9 + ["accepted"] * 3
    view = current.order(order_id)
    assert view["order"]["trucksFilled"] == 3
    assert len({truck["driver"]["id"] for truck in view["truckRequests"]}) == 3


def test_one_driver_who_accepts_two_orders_at_once_gets_one() -> None:
    scenes.driver("one")
    orders = [scenes.placed(customer).order_id for customer in ("asha", "ravi")]

    def one(order_id: str) -> str:
        return answers(order_id, ["one"])[0]

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, orders)) == ["DRIVER_BUSY", "accepted"]


def test_a_busy_driver_is_refused_and_gets_no_offer() -> None:
    scenes.driver("one")
    first, second = scenes.placed("asha").order_id, scenes.placed("ravi").order_id
    accepting.accept("one", first)
    with pytest.raises(DriverBusy):
        accepting.accept("one", second)
    third = scenes.placed("mina")
    assert third.followup is not None
    assert third.followup.messages == []


def test_who_was_never_asked_cannot_accept() -> None:
    scenes.driver("far", 20)
    with pytest.raises(NotOffered):
        accepting.accept("far", scenes.placed().order_id)


def test_after_the_end_the_answer_names_the_end() -> None:
    scenes.driver("one")
    cancelled = scenes.placed("asha").order_id
    cancelling.cancel("asha", cancelled, "changed my mind")
    with pytest.raises(OrderCancelled):
        accepting.accept("one", cancelled)
    expired = scenes.placed("ravi").order_id
    expiring.end_now(expired, "olga")
    with pytest.raises(OrderExpired):
        accepting.accept("one", expired)


def test_a_declined_offer_stays_declined() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    accepting.decline("one", order_id)
    accepting.decline("one", order_id)
    with pytest.raises(InvalidTransition):
        accepting.accept("one", order_id)


def test_a_trip_goes_forward_step_by_step_by_its_own_driver_alone() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    truck = accepting.accept("one", order_id).trip["truckRequestId"]
    with pytest.raises(TripNotFound):
        trips.advance("two", truck, "en_route_pickup")
    steps = ["en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed"]
    for number, step in enumerate(steps):
        for wrong in [*steps[:number], *steps[number + 1 :], "searching", "assigned", "expired", "cancelled"]:
            with pytest.raises(InvalidTransition):
                trips.advance("one", truck, wrong)
        trips.advance("one", truck, step)
        expected = "completed" if step == "completed" else "in_progress"
        assert current.order(order_id)["order"]["status"] == expected
    assert current.driver_opening("one").data["currentTrip"] is None


def test_a_truck_given_back_is_searched_for_again_without_its_driver() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    truck = accepting.accept("one", order_id).trip["truckRequestId"]
    trips.give_back("one", truck, "flat tyre")
    view = current.order(order_id)
    assert view["order"]["status"] == "active"
    assert view["truckRequests"][0] | {"driver": None, "status": "searching"} == view["truckRequests"][0]
    with pytest.raises(NotOffered):
        accepting.accept("one", order_id)


def test_registering_twice_keeps_availability() -> None:
    scenes.driver("one")
    registering.register("one", "Uma", "+911234567890", "TRUCK", "TATA_ACE", "DL 2")
    assert registering.read("one")["available"] is True


def test_a_trip_that_ends_while_it_is_read_is_no_trip() -> None:
    scenes.driver("ravi")
    order_id = scenes.placed().order_id
    truck_id = accepting.accept("ravi", order_id).trip["truckRequestId"]
    with db.statements() as connection:
        assert trips.view(connection, truck_id, "mira") is None
    assert current.driver_opening("ravi").data["currentTrip"]["truckRequestId"] == truck_id
    offer = SimpleNamespace(state="accepted", truck_request_id=truck_id, driver_id="ravi")
    trips.give_back("ravi", truck_id, "a flat tyre")
    # What another connection has read just before.
    with db.statements() as connection, pytest.raises(NotOffered):
        accepting._answer_closed(connection, cast("Any", offer))
    assert current.driver_opening("ravi").data["currentTrip"] is None
