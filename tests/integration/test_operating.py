"""What operators see of the whole, and what they may do to one order."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from sqlalchemy import TextClause, text

from models import db, live
from models.live import driver_search
from models.live.driver_index import Position
from tasks.followups import follow
from tests import scenes
from tests.clients import Caller, code
from tests.scenes import NOIDA
from workers.drivers import locating, trips
from workers.offers import accepting, waves
from workers.orders import cancelling, expiring, recovering
from workers.reading import figures, listing, operators

pytestmark = pytest.mark.usefixtures("aside")


@pytest.fixture
def olga() -> Caller:
    return Caller("ops", "olga")


def data(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json["data"]
    return found


def happened(order_id: str) -> list[str]:
    return [event["type"] for event in listing.story(order_id)["events"]]


def age(order_id: str, seconds: int) -> None:
    """Makes an order so many seconds older than it is."""
    with db.transaction() as connection:
        connection.execute(
            text("""UPDATE orders SET next_wave_at = next_wave_at - :by * interval '1 second',
                expires_at = expires_at - :by * interval '1 second' WHERE id = :id"""),
            {"id": order_id, "by": seconds},
        )


def test_only_operators_get_in() -> None:
    for role in ("customer", "driver"):
        other = Caller(role, "asha")
        order_id = uuid4()
        for answer in (
            other.get("/ops/overview"),
            other.get("/ops/orders"),
            other.get(f"/ops/orders/{order_id}"),
            other.post(f"/ops/orders/{order_id}/expire"),
            other.post(f"/ops/orders/{order_id}/rebroadcast"),
        ):
            assert code(answer) == (403, "FORBIDDEN")


def test_the_overview_counts_orders_by_what_became_of_them(olga: Caller) -> None:
    scenes.driver("one")
    scenes.admitted("waiting")
    scenes.placed("searching", vehicle=("TRUCK", "OPEN_17FT"))
    partly = scenes.placed("partly", trucks=2).order_id
    accepting.accept("one", partly)
    scenes.driver("two", vehicle=("TRUCK", "OPEN_19FT"))
    filled = scenes.placed("filled", vehicle=("TRUCK", "OPEN_19FT")).order_id
    truck = accepting.accept("two", filled).trip["truckRequestId"]
    trips.advance("two", truck, "en_route_pickup")
    expiring.end_now(scenes.placed("late", vehicle=("TRUCK", "LCV")).order_id, "olga")
    off = scenes.placed("off", vehicle=("TRUCK", "LCV")).order_id
    cancelling.cancel("off", off, "rain")
    dead = scenes.admitted("unlucky")
    for _ in range(6):
        recovering.may_try(dead)
    counters = data(olga.get("/ops/overview"))["counters"]
    first_offer = counters.pop("firstOffer")
    assert 0 <= counters.pop("outboxOldestSeconds") < 60
    assert counters == {
        "queued": 1,
        "searching": 2,
        "partiallyFilled": 1,
        "fullyFilled": 0,
        "inProgress": 1,
        "lastHour": {"expired": 1, "cancelled": 1, "completed": 0},
        "deadAdmissions": 1,
        "failedRows": 0,
        "ordersPerMinute": 7,
        "ordersRefused": 0,
    }
    assert first_offer["orders"] == 2
    assert 0 < first_offer["p50Seconds"] <= first_offer["p99Seconds"] < 5


def test_what_ended_more_than_an_hour_ago_is_not_counted() -> None:
    order_id = scenes.placed().order_id
    expiring.end_now(order_id, "olga")
    in_an_hour = operators.overview(datetime.now(UTC) + timedelta(minutes=61))["counters"]
    assert in_an_hour["lastHour"] == {"expired": 0, "cancelled": 0, "completed": 0}
    assert in_an_hour["ordersPerMinute"] == 0
    assert in_an_hour["firstOffer"] == {"orders": 0, "p50Seconds": None, "p99Seconds": None}


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (figures.ADMISSIONS_WATCHED, "ix_admissions_unplaced"),
        (operators.PRESENT, "ix_orders_status"),
    ],
)
def test_what_a_console_counts_every_second_is_found_by_an_index(statement: TextClause, index: str) -> None:
    with db.transaction() as connection:
        # Tables of tests are so small that reading them whole would be right.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = connection.execute(text(f"EXPLAIN {statement}")).scalars().all()
    assert any(index in line for line in plan), plan


def test_drivers_are_counted_by_what_they_do(olga: Caller) -> None:
    for name in ("free", "off", "quiet"):
        scenes.driver(name, vehicle=("TRUCK", name), available=name != "off")
    for name in ("coming", "loaded"):
        scenes.driver(name, vehicle=("TRUCK", name))
        truck = accepting.accept(name, scenes.placed(name, vehicle=("TRUCK", name)).order_id)
        follow(truck.followup)
        steps = ("en_route_pickup", "at_pickup", "in_transit") if name == "loaded" else ()
        for step in steps:
            trips.advance(name, truck.trip["truckRequestId"], step)
    live.commands().zadd("drivers:heard", {"truck:quiet|quiet": scenes.now_ms() - 61_000})
    whole = data(olga.get("/ops/overview"))
    assert whole["drivers"] == {"available": 1, "busy": 1, "on_trip": 1, "silent": 1, "unavailable": 1}


def test_without_the_driver_index_a_saved_position_counts_for_a_word() -> None:
    for name in ("fresh", "old"):
        scenes.driver(name)
    with db.transaction() as connection:
        connection.execute(
            text("""UPDATE drivers SET last_latitude = 1, last_longitude = 2,
                last_position_at = now() - CASE id WHEN 'old' THEN 61 ELSE 0 END * interval '1 second'""")
        )
    drivers = figures.figures_of(None).drivers
    assert (drivers["available"], drivers["silent"]) == (1, 1)


def test_the_map_shows_where_is_searched_and_where_drivers_are(olga: Caller) -> None:
    scenes.driver("one", 3)
    with db.transaction() as connection:
        connection.execute(
            text("UPDATE drivers SET last_latitude = 28.6, last_longitude = 77.4, last_position_at = now()")
        )
    order_id = scenes.placed().order_id
    seen = data(olga.get("/ops/overview"))["map"]
    (order,) = seen["orders"]
    assert (order["id"], order["wave"], order["radiusKm"]) == (order_id, 1, 5)
    assert order["pickup"]["coordinates"] == {"latitude": NOIDA[0], "longitude": NOIDA[1]}
    (driver,) = seen["drivers"]
    assert (driver["id"], driver["state"]) == ("one", "available")
    assert (driver["latitude"], driver["longitude"]) == (28.6, 77.4)


def test_the_map_shows_a_position_that_only_the_index_has(olga: Caller) -> None:
    scenes.driver("new")
    scenes.driver("late")
    with db.transaction() as connection:
        connection.execute(
            text("UPDATE drivers SET last_position_at = NULL, last_latitude = NULL, last_longitude = NULL")
        )
    locating.update("new", Position(28.7, 77.5, scenes.now_ms()), scenes.now_ms())
    live.commands().delete("driver:late")
    (driver,) = data(olga.get("/ops/overview"))["map"]["drivers"]
    assert (driver["id"], driver["latitude"], driver["longitude"]) == ("new", 28.7, 77.5)


def test_the_map_shows_a_saved_position_where_the_index_has_none_or_an_older_one(olga: Caller) -> None:
    for name in ("older", "none"):
        scenes.driver(name)
    with db.transaction() as connection:
        connection.execute(
            text("""UPDATE drivers SET last_latitude = 28.6, last_longitude = 77.4,
                last_position_at = now() + interval '1 second'""")
        )
    live.commands().delete("driver:none")
    seen = data(olga.get("/ops/overview"))["map"]["drivers"]
    assert {(driver["id"], driver["latitude"]) for driver in seen} == {("older", 28.6), ("none", 28.6)}


def test_the_map_is_bounded(olga: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "MAP_ORDERS", 2)
    for number in range(3):
        scenes.placed(f"c{number}")
    seen = data(olga.get("/ops/overview"))
    assert (len(seen["map"]["orders"]), seen["map"]["ordersLimit"]) == (2, 2)
    assert seen["counters"]["searching"] == 3


def test_operators_page_through_the_orders_of_everybody(olga: Caller) -> None:
    ids = [scenes.placed(name).order_id for name in ("asha", "ravi", "mira")]
    first = data(olga.get("/ops/orders?limit=2"))
    assert [order["id"] for order in first["orders"]] == [ids[2], ids[1]]
    rest = data(olga.get(f"/ops/orders?limit=2&cursor={first['nextCursor']}"))
    assert [order["id"] for order in rest["orders"]] == [ids[0]]
    assert data(olga.get("/ops/orders?status=expired"))["orders"] == []
    assert code(olga.get("/ops/orders?status=lost")) == (400, "VALIDATION_ERROR")


def test_an_operator_sees_an_order_with_its_search_and_its_story(olga: Caller) -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    seen = data(olga.get(f"/ops/orders/{order_id}"))
    assert seen["order"]["id"] == order_id
    assert (seen["search"]["searching"], seen["search"]["wave"], seen["search"]["radiusKm"]) == (True, 1, 5)
    assert [event["type"] for event in seen["events"]] == ["order_placed", "wave_sent"]
    assert [offer["driverId"] for offer in seen["offers"]] == ["one"]
    assert code(olga.get(f"/ops/orders/{uuid4()}")) == (404, "ORDER_NOT_FOUND")
    assert code(olga.get("/ops/orders/none")) == (404, "ORDER_NOT_FOUND")


def test_an_order_that_waits_to_be_placed_is_seen_too(olga: Caller) -> None:
    order_id = scenes.admitted("asha")
    seen = data(olga.get(f"/ops/orders/{order_id}"))
    assert (seen["order"]["status"], seen["search"]["searching"]) == ("queued", False)


def test_expiring_ends_the_search_at_once_and_says_who_did_it(olga: Caller) -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    ended = data(olga.post(f"/ops/orders/{order_id}/expire"))
    assert (ended["order"]["status"], ended["search"]["searching"], ended["done"]) == ("expired", False, True)
    events = listing.story(order_id)["events"]
    assert [event["type"] for event in events][-2:] == ["expiry_ordered", "order_expired"]
    assert events[-2]["data"] == {"operator": "olga"}
    told = live.commands().xrange("mailbox:driver:one")
    assert "order_expired" in str(told)


def test_expiring_again_changes_nothing(olga: Caller) -> None:
    order_id = scenes.placed().order_id
    data(olga.post(f"/ops/orders/{order_id}/expire"))
    before = happened(order_id)
    again = data(olga.post(f"/ops/orders/{order_id}/expire"))
    assert (again["order"]["status"], again["done"]) == ("expired", False)
    assert happened(order_id) == before


def test_expiring_a_partly_filled_order_keeps_its_trucks(olga: Caller) -> None:
    scenes.driver("one")
    order_id = scenes.placed(trucks=2).order_id
    accepting.accept("one", order_id)
    for done in (True, False):
        ended = data(olga.post(f"/ops/orders/{order_id}/expire"))
        assert (ended["order"]["status"], ended["done"]) == ("partially_filled", done)


@pytest.mark.parametrize("action", ["expire", "rebroadcast"])
def test_what_is_not_searching_is_refused(olga: Caller, action: str) -> None:
    scenes.driver("one")
    filled = scenes.placed("filled").order_id
    accepting.accept("one", filled)
    refused = olga.post(f"/ops/orders/{filled}/{action}")
    assert code(refused) == (409, "INVALID_TRANSITION")
    assert refused.json is not None
    assert refused.json["error"]["data"] == {"status": "fully_filled"}
    cancelled = scenes.placed("off").order_id
    cancelling.cancel("off", cancelled, "rain")
    assert code(olga.post(f"/ops/orders/{cancelled}/{action}")) == (409, "ORDER_CANCELLED")
    queued = scenes.admitted("queued")
    assert code(olga.post(f"/ops/orders/{queued}/{action}")) == (409, "INVALID_TRANSITION")
    assert code(olga.post(f"/ops/orders/{uuid4()}/{action}")) == (404, "ORDER_NOT_FOUND")
    assert code(olga.post(f"/ops/orders/{queued}/{action}", {"force": True})) == (400, "VALIDATION_ERROR")


def test_a_rebroadcast_asks_the_next_drivers_at_once(olga: Caller) -> None:
    order_id = scenes.placed().order_id
    scenes.driver("far", 8)
    age(order_id, 3)
    asked = data(olga.post(f"/ops/orders/{order_id}/rebroadcast"))
    assert (asked["search"]["wave"], asked["search"]["radiusKm"], asked["done"]) == (2, 10, True)
    story = listing.story(order_id)
    assert [offer["driverId"] for offer in story["offers"]] == ["far"]
    assert [event["type"] for event in story["events"]][-2:] == ["wave_ordered", "wave_sent"]
    assert story["events"][-2]["data"] == {"operator": "olga", "wave": 2}
    assert "new_broadcast" in str(live.commands().xrange("mailbox:driver:far"))


def test_a_second_click_sends_no_second_wave(olga: Caller) -> None:
    order_id = scenes.placed().order_id
    age(order_id, 3)
    answers = [data(olga.post(f"/ops/orders/{order_id}/rebroadcast")) for _ in range(2)]
    assert [(answer["search"]["wave"], answer["done"]) for answer in answers] == [(2, True), (2, False)]
    assert happened(order_id).count("wave_ordered") == 1


def test_after_a_rebroadcast_the_next_wave_comes_ten_seconds_later(olga: Caller) -> None:
    order_id = scenes.placed().order_id
    age(order_id, 3)
    data(olga.post(f"/ops/orders/{order_id}/rebroadcast"))
    now = datetime.now(UTC)
    assert waves.due(now + timedelta(seconds=8)) == []
    assert waves.due(now + timedelta(seconds=11)) == [order_id]


def test_a_rebroadcast_after_the_end_is_refused(olga: Caller) -> None:
    order_id = scenes.placed().order_id
    expiring.end_now(order_id, "olga")
    assert code(olga.post(f"/ops/orders/{order_id}/rebroadcast")) == (409, "ORDER_EXPIRED")


def test_without_redis_the_ordered_wave_is_left_to_the_sweep(
    olga: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = scenes.placed().order_id
    age(order_id, 3)
    monkeypatch.setattr(driver_search, "ask", _away)
    asked = data(olga.post(f"/ops/orders/{order_id}/rebroadcast"))
    assert (asked["search"]["wave"], asked["done"]) == (1, True)
    assert waves.due() == [order_id]


def _away(*_: object) -> None:
    raise redis.ConnectionError("away")
