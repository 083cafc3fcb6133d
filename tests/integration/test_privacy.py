"""What a customer learns of drivers: nothing of those who never had a truck, little of those who had."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from models import db, live, messages
from models.live import commands, mailbox
from models.messages import Message
from models.tables.orders import RUNNING
from tasks import offers, operating, orders
from tasks import trips as trip_tasks
from tests import scenes
from tests.clients import Caller
from workers import cleaning
from workers.drivers import registering
from workers.offers import accepting
from workers.reading import current, pseudonyms

ASKED = ("lorry-a", "lorry-b", "lorry-c")


@pytest.fixture(autouse=True)
def _fresh_secret(clean: None) -> Iterator[None]:
    """The tables were emptied, and the secret with them."""
    pseudonyms._secret.cache_clear()
    yield
    pseudonyms._secret.cache_clear()


@pytest.fixture(autouse=True)
def drivers(clean: None) -> None:
    """The nearest has the last name, so that neither order follows from the other."""
    for number, driver in enumerate(reversed(ASKED), start=1):
        scenes.driver(driver, number)


def data(who: Caller, path: str) -> dict[str, Any]:
    answer = who.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = (answer.json or {})["data"]
    return found


def seen(order_id: str, customer: str = "asha") -> dict[str, Any]:
    """The story as the customer reads it."""
    return data(Caller("customer", customer), f"/orders/{order_id}/events")


def names(story: dict[str, Any]) -> set[str]:
    """What the drivers of its offers are called."""
    return {offer["driverId"] for offer in story["offers"]}


def test_a_customer_sees_neither_who_was_asked_nor_how_far_away_they_were() -> None:
    order_id = scenes.placed().order_id
    accepting.decline("lorry-b", order_id)
    operating.expire(order_id, "olga")
    story = seen(order_id)
    told = str(story)
    assert len(names(story)) == 3
    assert not [word for word in (*ASKED, "olga", "operator") if word in told]
    assert not re.search(r"km|distance|radius", told, re.IGNORECASE)
    kinds = [event["type"] for event in story["events"]]
    assert kinds == ["order_placed", "wave_sent", "offer_declined", "expiry_ordered", "order_expired"]
    wave, declined, _, ended = (event["data"] for event in story["events"][1:])
    assert {driver["driverId"] for driver in wave["drivers"]} == names(story)
    assert {declined["driverId"], *ended["drivers"]} == names(story)


def test_the_order_in_which_drivers_are_named_says_nothing_of_their_distance() -> None:
    story = seen(scenes.placed().order_id)
    in_wave = [driver["driverId"] for driver in story["events"][1]["data"]["drivers"]]
    assert in_wave == sorted(in_wave)
    assert [offer["driverId"] for offer in story["offers"]] == in_wave


def test_a_drivers_id_in_one_order_is_none_in_the_next_and_the_same_in_every_process() -> None:
    first = scenes.placed().order_id
    before = names(seen(first))
    orders.cancel("asha", first, "never mind")
    second = scenes.placed().order_id
    assert not before & names(seen(second))
    # Another process reads the secret that this one has made.
    pseudonyms._secret.cache_clear()
    assert names(seen(first)) == before


def test_an_id_cannot_be_worked_out_without_the_secret() -> None:
    order_id = scenes.placed().order_id
    before = pseudonyms.of(order_id, "lorry-a")
    with db.transaction() as connection:
        connection.execute(text("DELETE FROM secrets"))
    pseudonyms._secret.cache_clear()
    assert pseudonyms.of(order_id, "lorry-a") != before


def test_a_driver_who_was_assigned_is_known_and_stays_so_after_giving_the_truck_back() -> None:
    order_id = scenes.placed().order_id
    truck = str(offers.accept("lorry-b", order_id)["truckRequestId"])
    story = seen(order_id)
    assert names(story) & set(ASKED) == {"lorry-b"}
    assigned = next(event for event in story["events"] if event["type"] == "truck_assigned")
    assert assigned["data"] == {"driverId": "lorry-b", "truckRequestId": truck}
    trip_tasks.give_back("lorry-b", truck, "a flat tyre")
    assert names(seen(order_id)) & set(ASKED) == {"lorry-b"}


def test_operators_see_who_was_asked_and_how_far_away_they_were() -> None:
    order_id = scenes.placed().order_id
    operating.expire(order_id, "olga")
    story = data(Caller("ops", "omar"), f"/ops/orders/{order_id}")
    assert names(story) == set(ASKED)
    assert [offer["pickupDistanceKm"] for offer in story["offers"]] == [1.0, 2.0, 3.0]
    assert {"operator": "olga"} in [event["data"] for event in story["events"]]


# --- a trip's driver ---


def delivered(order_id: str, driver: str = "lorry-a") -> None:
    """The driver takes the truck of this order and drives the trip to its end."""
    truck = str(offers.accept(driver, order_id)["truckRequestId"])
    for step in (*RUNNING[1:], "completed"):
        trip_tasks.advance(driver, truck, step)


def shown(order_id: str) -> Any:
    return current.order(order_id)["truckRequests"][0]["driver"]


def long_ago(hours: float) -> None:
    """Nothing has changed for so long; and nobody remembers the order."""
    with db.transaction() as connection:
        connection.execute(
            text("UPDATE truck_requests SET updated_at = now() - :ago, assigned_at = now() - :ago"),
            {"ago": timedelta(hours=hours)},
        )
    live.commands().flushall()


@pytest.mark.parametrize("ended", [False, True])
def test_an_order_shows_its_driver_as_at_the_assignment(ended: bool) -> None:
    order_id = scenes.placed().order_id
    if ended:
        delivered(order_id)
    else:
        offers.accept("lorry-a", order_id)
    before = shown(order_id)
    # The vehicle stays while it is under way.
    plate = "XX 9" if ended else "DL 1 AB 1234"
    registering.register("lorry-a", "Another Name", "+910000000000", "TRUCK", "TATA_ACE", plate)
    assert shown(order_id) == before
    assert before == {
        "id": "lorry-a",
        "name": "Lorry-A",
        "phone": "+911234567890",
        "vehicleNumber": "DL 1 AB 1234",
    }


def test_the_next_driver_of_a_truck_is_shown_and_nothing_of_the_one_before() -> None:
    order_id = scenes.placed(trucks=2).order_id
    truck = str(offers.accept("lorry-a", order_id)["truckRequestId"])
    trip_tasks.give_back("lorry-a", truck, "a flat tyre")
    with db.statements() as connection:
        row = connection.execute(
            text(
                "SELECT driver_name, driver_phone, driver_vehicle_number FROM truck_requests WHERE id = :id"
            ),
            {"id": truck},
        ).one()
    assert tuple(row) == (None, None, None)


@pytest.mark.parametrize(("hours", "there"), [(23, True), (25, False)])
@pytest.mark.parametrize("end", ["completed", "cancelled"])
def test_a_drivers_phone_is_gone_a_day_after_the_trips_end(end: str, hours: int, there: bool) -> None:
    order_id = scenes.placed().order_id
    if end == "completed":
        delivered(order_id)
    else:
        offers.accept("lorry-a", order_id)
        orders.cancel("asha", order_id, "never mind")
    long_ago(hours)
    for who, path in ((Caller("customer", "asha"), "/orders/"), (Caller("ops", "olga"), "/ops/orders/")):
        driver = data(who, path + order_id)["truckRequests"][0]["driver"]
        assert (driver["phone"] is not None) == there
        assert driver["name"] == "Lorry-A"


def test_the_cleaning_deletes_the_phones_of_trips_that_ended_a_day_ago_and_no_other() -> None:
    ended, recent, running = (scenes.placed(name).order_id for name in ("asha", "bina", "chitra"))
    delivered(ended)
    long_ago(25)
    delivered(recent, "lorry-b")
    offers.accept("lorry-c", running)
    assert cleaning.forget_phones() == 1
    with db.statements() as connection:
        left = connection.execute(
            text("SELECT driver_id, driver_phone FROM truck_requests ORDER BY driver_id")
        )
        assert [row.driver_phone for row in left] == [None, "+911234567890", "+911234567890"]
    assert shown(ended)["phone"] is None


def test_a_trip_that_takes_days_keeps_its_drivers_phone() -> None:
    order_id = scenes.placed().order_id
    offers.accept("lorry-a", order_id)
    long_ago(72)
    assert shown(order_id)["phone"] == "+911234567890"


def test_a_message_older_than_an_hour_is_not_sent_again_however_busy_the_mailbox_is() -> None:
    person = messages.customer("asha")
    now = scenes.now_ms() * 1000
    commands().xadd(
        f"mailbox:{person}",
        {"type": "truck_confirmed", "key": "old", "body": "{}"},
        id=f"{now - 3601 * 10**6}-0",
    )
    mailbox.put([Message(person, "order_expired", {}, key="new")], datetime.now(UTC))
    assert [frame.type for frame in mailbox.open(person).pending] == ["order_expired"]
