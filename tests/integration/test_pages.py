"""Pages of orders hold what they should, whatever the status and the caller."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from models import clock, db, live
from models.live import driver_index, figures
from models.live.driver_index import Placement, Position
from tests.conftest import Stores, empty_redis, empty_tables
from tests.growth.filling import BIG, fill_tables
from tests.system import until
from web.routes.paging import STATUSES
from workers.reading import current, drivers_on_map, listing, operators
from workers.reading import figures as figures_of_workers

ORDERS, DRIVERS = 3000, 1000
ALL = """
    SELECT id FROM orders WHERE {own} (CAST(:status AS text) IS NULL OR status = :status)
    UNION ALL
    SELECT order_id FROM admissions WHERE {own} state IN ('queued', 'rejected', 'cancelled', 'dead')
        AND (CAST(:status AS text) IS NULL OR replace(state, 'dead', 'rejected') = :status)
    ORDER BY 1 DESC
"""


@pytest.fixture(scope="module", autouse=True)
def grown(stores: Stores) -> Iterator[None]:
    empty_tables()
    empty_redis()
    fill_tables(stores.postgres.url, ORDERS, offers=2, drivers=DRIVERS)
    yield
    empty_tables()


def ids(statement: str, **values: Any) -> list[str]:
    with db.statements() as connection:
        return [str(found_id) for found_id in connection.execute(text(statement), values).scalars()]


@pytest.mark.parametrize("status", [None, *STATUSES])
@pytest.mark.parametrize("customer", [None, BIG, "grown-searching-1", "nobody"])
def test_the_pages_of_a_status_together_are_all_orders_of_it(
    customer: str | None, status: str | None
) -> None:
    own = "customer_id = :customer AND" if customer else ""
    wanted = ids(ALL.format(own=own), customer=customer, status=status)
    found, cursor = [], None
    while True:
        page = listing.orders(customer, 97, cursor, status)
        found += [order["id"] for order in page["orders"]]
        assert len(page["orders"]) <= 97
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert found == wanted


@pytest.mark.parametrize("customer", [BIG, "grown-searching-1", "nobody"])
def test_the_active_order_is_the_searching_one_or_else_the_newest_that_is_not_over(customer: str) -> None:
    wanted = ids(
        "SELECT id FROM orders WHERE customer_id = :customer AND status IN ('active', 'partially_filled',"
        " 'fully_filled', 'in_progress') ORDER BY searching DESC, id DESC LIMIT 1",
        customer=customer,
    )
    found = current.current_order(customer)
    assert [found["order"]["id"]] == wanted if found else wanted == []


def drivers_by_state() -> dict[str, int]:
    with db.statements() as connection:
        rows = connection.exec_driver_sql("""
            SELECT CASE WHEN t.status IN ('in_transit', 'arrived_at_drop') THEN 'on_trip'
                WHEN t.status IS NOT NULL THEN 'busy' WHEN NOT d.available THEN 'unavailable'
                WHEN d.last_position_at > now() - interval '60 seconds' THEN 'available'
                ELSE 'silent' END, count(*)
            FROM drivers d LEFT JOIN truck_requests t ON t.driver_id = d.id AND t.status IN
                ('assigned', 'en_route_pickup', 'at_pickup', 'in_transit', 'arrived_at_drop')
            GROUP BY 1
        """)
        return {state: int(number) for state, number in rows}


@pytest.mark.parametrize("page", [7, 20_000])
def test_drivers_are_counted_right_in_pages_of_any_size(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_of_workers, "PAGE", page)
    monkeypatch.setattr(figures_of_workers, "TRIPS_PAGE", page)
    monkeypatch.setattr(figures, "CHEAP_SECONDS", 60)
    counted = figures_of_workers.figures_of(None).drivers
    wanted = drivers_by_state()
    # Who is heard grows silent while this is counted.
    assert counted["available"] + counted["silent"] == wanted.get("available", 0) + wanted.get("silent", 0)
    assert abs(counted["available"] - wanted.get("available", 0)) <= 2
    assert {state: counted[state] for state in ("busy", "on_trip", "unavailable")} == {
        state: wanted.get(state, 0) for state in ("busy", "on_trip", "unavailable")
    }


def test_figures_that_took_long_are_counted_once_for_all() -> None:
    def count() -> dict[str, int]:
        counted.append(1)
        return {"drivers": len(counted)}

    counted: list[int] = []
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patched:
        patched.setattr(figures, "CHEAP_SECONDS", -1)
        patched.setattr(figures, "TIMES_AS_LONG", 1_000_000)
        assert [figures.kept("test", count) for _ in range(5)] == [{"drivers": 1}] * 5


def test_figures_that_took_no_time_are_counted_each_time() -> None:
    counted: list[int] = []
    for _ in range(3):
        figures.kept("cheap", lambda: counted.append(1) or {})  # type: ignore[func-returns-value]
    assert len(counted) == 3


def test_old_figures_are_served_while_they_are_counted_again() -> None:
    live.commands().set("figures:slow", '[1000, {"drivers": 7}]')
    may_end, counted = threading.Event(), []

    def count() -> dict[str, int]:
        counted.append(may_end.wait(5))
        time.sleep(2 * figures.CHEAP_SECONDS)
        return {"drivers": 8}

    assert [figures.kept("slow", count) for _ in range(3)] == [{"drivers": 7}] * 3
    may_end.set()
    until(lambda: figures.kept("slow", count) == {"drivers": 8})
    assert counted == [True]


def test_what_ended_in_the_last_hour_is_counted_minute_by_minute() -> None:
    with db.statements() as connection:
        (wanted,) = connection.exec_driver_sql(
            "SELECT count(*) FROM order_events"
            " WHERE at > now() - interval '1 hour' AND type = 'order_completed'"
        ).one()
    for _ in range(2):
        ended = operators.overview()["counters"]["lastHour"]
        assert abs(ended["completed"] - wanted) <= 1
    assert len(list(live.commands().scan_iter("figures:ended:*"))) >= 57


def test_the_map_shows_no_more_drivers_than_it_may_and_those_on_trips_among_them() -> None:
    shown = operators.overview()["map"]["drivers"]
    assert len(shown) == DRIVERS
    assert {driver["state"] for driver in shown} >= {"busy", "on_trip", "unavailable", "silent"}


def test_trips_have_their_place_on_the_map_beside_drivers_who_were_heard_of_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drivers_on_map, "MOST", 20)
    monkeypatch.setattr(drivers_on_map, "MOST_TRIPS", 5)
    free = ids(
        """
        SELECT id FROM drivers d
        WHERE NOT EXISTS (SELECT FROM truck_requests WHERE driver_id = d.id AND status NOT IN ('completed'))
            AND available LIMIT 30
        """
    )
    vehicle = "truck:kind_1"
    # Ahead of every saved position.
    now_ms = clock.now_ms() + 60_000
    position = Position(28.5, 77.4, now_ms)
    driver_index.place_all([Placement(driver, vehicle, position, now_ms, now_ms * 1000) for driver in free])
    shown = operators.overview()["map"]["drivers"]
    assert len(shown) == 20
    assert sum(driver["state"] in ("busy", "on_trip") for driver in shown) == 5
    empty_redis()
