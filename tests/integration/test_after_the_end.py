"""What is over stays over, whatever happens in between; and nobody is forgotten because of it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from models import db
from models.errors import DomainError, DriverBusy
from models.live import mailbox
from tasks import drivers, followups, offers, sweeps
from tasks import trips as trip_tasks
from tests import scenes
from workers.drivers import registering, trips
from workers.offers import accepting, matching, waves
from workers.orders import cancelling, expiring
from workers.reading import listing

pytestmark = pytest.mark.usefixtures("clean")

ACE, LCV = ("TRUCK", "TATA_ACE"), ("TRUCK", "LCV")


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def code(act: Callable[..., Any], *args: Any) -> str:
    try:
        act(*args)
    except DomainError as error:
        return error.code
    return "accepted"


def won(driver: str, order_id: str) -> str:
    return str(offers.accept(driver, order_id)["truckRequestId"])


def register(driver: str, vehicle: tuple[str, str] = ACE, number: str = "DL 1 AB 1234") -> None:
    drivers.register(driver, driver.title(), "+911234567890", *vehicle, number)


def heard(person: str) -> list[str]:
    return [frame.type for frame in mailbox.since(person, 0).frames]


def two_prices(high: int = 500, low: int = 300) -> list[dict[str, Any]]:
    """One truck of the same kind at each price."""
    kind = {"vehicleType": ACE[0], "vehicleSubtype": ACE[1], "quantity": 1}
    return [kind | {"pricePerTruck": high}, kind | {"pricePerTruck": low}]


def fares(order_id: str) -> list[tuple[str, float, str]]:
    story = listing.story(order_id)["offers"]
    return [(offer["driverId"], offer["farePerTruck"], offer["state"]) for offer in story]


# Accepting again.


def test_accepting_again_after_a_cancel_says_that_it_was_cancelled() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    won("one", order_id)
    cancelling.cancel("asha", order_id, "changed my mind")
    assert code(accepting.accept, "one", order_id) == "ORDER_CANCELLED"


@pytest.mark.parametrize(
    ("before", "end"),
    [
        *product(["lost", "declined", "given back", "off duty"], ["ORDER_CANCELLED", "ORDER_EXPIRED"]),
        # An order with a truck does not expire.
        ("won", "ORDER_CANCELLED"),
    ],
)
def test_an_order_that_has_ended_says_so_to_everybody_it_was_offered_to(before: str, end: str) -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    if before == "lost":
        scenes.driver("two", 2)
        waves.next_wave(order_id, later(11))
        truck = won("two", order_id)
        trips.give_back("two", truck, "a flat tyre")
    elif before == "declined":
        offers.decline("one", order_id)
    elif before == "given back":
        trips.give_back("one", won("one", order_id), "a flat tyre")
    elif before == "off duty":
        drivers.set_available("one", False)
    else:
        won("one", order_id)
    if end == "ORDER_CANCELLED":
        cancelling.cancel("asha", order_id, "changed my mind")
    else:
        expiring.end_now(order_id, "olga")
    assert code(accepting.accept, "one", order_id) == end


def test_what_was_won_is_the_same_success_while_it_stands_and_after_it_was_delivered() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    truck = won("one", order_id)
    for step in ("en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed"):
        trips.advance("one", truck, step)
        again = offers.accept("one", order_id)
        assert (again["truckRequestId"], again["trip"]["status"]) == (truck, step)


def test_a_decline_after_the_end_names_the_end() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    won("one", order_id)
    assert code(accepting.decline, "one", order_id) == "TRUCK_TAKEN"
    cancelling.cancel("asha", order_id, "changed my mind")
    assert code(accepting.decline, "one", order_id) == "ORDER_CANCELLED"


# After a give-back.


def test_after_a_give_back_without_drivers_in_reach_the_customer_is_notified_in_each_search() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    for _ in range(2):
        trips.give_back("one", won("one", order_id), "a flat tyre")
        for seconds in (0, 10, 20, 30, 40):
            followups.follow(waves.next_wave(order_id, later(seconds)))
        # For the second time: as if the driver had never returned it.
        with db.statements() as connection:
            connection.execute(text("UPDATE offers SET state = 'open', closed_at = NULL"))
    assert heard("customer:asha").count("order_no_supply") == 2


def test_offers_whose_process_died_reach_their_drivers_after_a_give_back_too() -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    # Nobody has done what follows the placing.
    order_id = scenes.placed(trucks=2).order_id
    truck = accepting.accept("one", order_id).trip["truckRequestId"]
    trips.give_back("one", truck, "a flat tyre")
    with db.statements() as connection:
        connection.execute(text("DELETE FROM outbox WHERE id > (SELECT min(id) FROM outbox)"))
        connection.execute(text("UPDATE outbox SET created_at = created_at - interval '3 seconds'"))
    assert sweeps.deliver() == 1
    assert (heard("driver:two"), heard("driver:one")) == (["new_broadcast"], [])


def test_drivers_with_an_open_offer_are_notified_that_the_search_was_extended() -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    outcome = scenes.placed(trucks=2)
    followups.follow(outcome.followup)
    truck = won("one", outcome.order_id)
    with db.statements() as connection:
        connection.execute(text("UPDATE orders SET expires_at = expires_at - interval '50 seconds'"))
    trip_tasks.give_back("one", truck, "a flat tyre")
    followups.follow(waves.next_wave(outcome.order_id))
    first, *_, last = [f for f in mailbox.since("driver:two", 0).frames if f.type == "new_broadcast"]
    ends = [frame.text.partition('"expiresAt":"')[2][:24] for frame in (first, last)]
    assert ends[0] < ends[1] or ends[1] > datetime.now(UTC).isoformat()[:23]
    assert offers.accept("two", outcome.order_id)["result"] == "accepted"


# Two prices of one kind.


def test_who_lost_the_dearer_truck_is_asked_for_the_cheaper_one() -> None:
    for number, driver in enumerate(("near", "next", "far"), start=1):
        scenes.driver(driver, number)
    order_id = scenes.placed(vehicleRequirements=two_prices()).order_id
    assert fares(order_id) == [("near", 500, "open"), ("next", 300, "open"), ("far", 500, "open")]
    assert offers.accept("near", order_id)["trip"]["farePerTruck"] == 500
    assert code(accepting.accept, "far", order_id) == "TRUCK_TAKEN"
    followups.follow(waves.next_wave(order_id, later(11)))
    assert fares(order_id)[-1] == ("far", 300, "open")
    assert heard("driver:far") == ["request_no_longer_available", "new_broadcast"]
    assert offers.accept("far", order_id)["trip"]["farePerTruck"] == 300
    assert code(accepting.accept, "next", order_id) == "TRUCK_TAKEN"


def test_who_lost_the_cheaper_truck_is_asked_for_the_dearer_one_and_nobody_twice_for_the_same() -> None:
    for number, driver in enumerate(("near", "next", "far", "last"), start=1):
        scenes.driver(driver, number)
    order_id = scenes.placed(vehicleRequirements=two_prices()).order_id
    offers.accept("next", order_id)
    offers.decline("far", order_id)
    for seconds in (11, 21):
        followups.follow(waves.next_wave(order_id, later(seconds)))
    asked = fares(order_id)
    assert asked[4:] == [("last", 500, "open")]


def test_a_truck_is_won_at_the_price_that_was_shown() -> None:
    scenes.driver("near")
    scenes.driver("next", 2)
    order_id = scenes.placed(vehicleRequirements=two_prices()).order_id
    assert offers.accept("next", order_id)["trip"]["farePerTruck"] == 300
    assert offers.accept("near", order_id)["trip"]["farePerTruck"] == 500


def test_the_tables_keep_a_driver_to_one_open_offer_of_an_order_and_one_of_each_kind() -> None:
    scenes.driver("one")
    scenes.placed()
    copy = """
        INSERT INTO offers (id, order_id, driver_id, truck_request_id, vehicle, fare, round, wave,
            pickup_distance_km, offered_at, state, closed_at)
        SELECT gen_random_uuid(), order_id, driver_id, truck_request_id, vehicle, fare + {more}, round, wave,
            1, now(), {state}, {closed} FROM offers
    """
    for more, state, closed in ((1, "'open'", "NULL"), (0, "'taken'", "now()")):
        again = copy.format(more=more, state=state, closed=closed)
        with pytest.raises(IntegrityError), db.statements() as connection:
            connection.exec_driver_sql(again)


# A kind that was filled meanwhile.


def test_a_wave_asks_nobody_for_a_kind_that_was_filled_since_it_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenes.driver("one")
    kinds = [
        {"vehicleType": "TRUCK", "vehicleSubtype": vehicle[1], "quantity": 1, "pricePerTruck": 500}
        for vehicle in (ACE, LCV)
    ]
    order_id = scenes.placed(vehicleRequirements=kinds).order_id
    scenes.driver("two", 2)
    scenes.driver("lcv", 2, vehicle=LCV)
    search = matching.find

    def filled_meanwhile(searches: Any) -> Any:
        found = search(searches)
        won("one", order_id)
        return found

    monkeypatch.setattr("workers.offers.matching.find", filled_meanwhile)
    wave = waves.next_wave(order_id, later(11))
    assert wave is not None
    assert [(message.to, message.data["trucksStillNeeded"]) for message in wave.messages] == [
        ("driver:lcv", 1)
    ]
    assert [driver for driver, _, state in fares(order_id) if state == "open"] == ["lcv"]


def test_a_wave_names_a_truck_that_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes.driver("one")
    order_id = scenes.placed(trucks=2).order_id
    scenes.driver("two", 2)
    search = matching.find
    taken: list[str] = []

    def one_less(searches: Any) -> Any:
        found = search(searches)
        taken.append(won("one", order_id))
        return found

    monkeypatch.setattr("workers.offers.matching.find", one_less)
    wave = waves.next_wave(order_id, later(11))
    assert wave is not None
    assert wave.messages[0].data["truckRequestId"] not in taken
    assert wave.messages[0].data["trucksStillNeeded"] == 1


# Another vehicle.


def test_another_vehicle_wins_no_truck_of_the_kind_that_was_asked_for() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    # The process that should have withdrawn the offer died.
    registering.register("one", "One", "+911234567890", *LCV, "DL 1 AB 1234")
    assert code(accepting.accept, "one", order_id) == "NOT_OFFERED"
    assert fares(order_id) == [("one", 500, "open")]
    register("one", LCV)
    assert fares(order_id) == [("one", 500, "withdrawn")]
    assert code(accepting.accept, "one", order_id) == "NOT_OFFERED"


def test_who_has_gone_off_duty_wins_nothing_even_if_the_offer_was_not_withdrawn() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    registering.set_available("one", False)
    assert code(accepting.accept, "one", order_id) == "NOT_OFFERED"


def test_with_another_vehicle_the_same_order_is_offered_for_that_kind() -> None:
    scenes.driver("one")
    kinds = [
        {"vehicleType": "TRUCK", "vehicleSubtype": vehicle[1], "quantity": 1, "pricePerTruck": 500}
        for vehicle in (ACE, LCV)
    ]
    order_id = scenes.placed(vehicleRequirements=kinds).order_id
    register("one", LCV)
    followups.follow(waves.next_wave(order_id, later(11)))
    trip = offers.accept("one", order_id)["trip"]
    assert trip["vehicleSubtype"] == "LCV"


def test_the_vehicle_stays_during_a_trip_and_name_and_phone_may_change() -> None:
    scenes.driver("one")
    truck = won("one", scenes.placed().order_id)
    for changed in ((LCV, "DL 1 AB 1234"), (ACE, "DL 2 ZZ 9999")):
        with pytest.raises(DriverBusy):
            register("one", *changed)
    drivers.register("one", "New Name", "+919999999999", "truck", "tata_ace", "DL 1 AB 1234")
    assert registering.read("one")["name"] == "New Name"
    trip_tasks.give_back("one", truck, "a flat tyre")
    register("one", LCV)
    assert registering.read("one")["vehicleSubtype"] == "LCV"


@pytest.mark.parametrize("number", range(20))
def test_of_an_accept_and_a_change_of_vehicle_at_once_one_comes_first(number: int) -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    together = threading.Barrier(2)

    def at_once(act: Callable[..., Any], *args: Any) -> str:
        together.wait()
        return code(act, *args)

    with ThreadPoolExecutor(2) as pool:
        accepted = pool.submit(at_once, accepting.accept, "one", order_id)
        changed = pool.submit(at_once, registering.register, "one", "One", "+911234567890", *LCV, "DL 1")
    assert (accepted.result(), changed.result()) in (
        ("accepted", "DRIVER_BUSY"),
        ("NOT_OFFERED", "accepted"),
    )


@pytest.mark.parametrize("first", ["accept", "register"])
def test_who_comes_second_waits_for_the_first(first: str) -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    with ThreadPoolExecutor(1) as pool, db.transaction() as elsewhere:
        if first == "accept":
            lock = "SELECT FROM drivers WHERE id = 'one' FOR KEY SHARE"
            elsewhere.execute(text(lock))
            second = pool.submit(code, register, "one", LCV)
            elsewhere.execute(
                text("UPDATE truck_requests SET driver_id = 'one', status = 'assigned', assigned_at = now()")
            )
        else:
            elsewhere.execute(text("SELECT FROM drivers WHERE id = 'one' FOR UPDATE"))
            second = pool.submit(code, accepting.accept, "one", order_id)
            elsewhere.execute(text("UPDATE drivers SET vehicle = 'truck:lcv' WHERE id = 'one'"))
        assert not wait_for(second)
        elsewhere.commit()
        assert second.result() == ("DRIVER_BUSY" if first == "accept" else "NOT_OFFERED")


def wait_for(future: Any) -> bool:
    """Whether it is done within a while that is long enough for a caller that does not wait."""
    try:
        future.result(timeout=0.3)
    except TimeoutError:
        return False
    return True
