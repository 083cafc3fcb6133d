"""Every statement of the main job finds its rows by an index, however many past orders there are."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from bench.growth import write_past
from models import db
from models.live.driver_index import Position
from tasks import orders, sweeps
from tasks.followups import follow
from tests import scenes
from tests.conftest import Stores
from workers import accepting, admitting, expiring, locating, reading, trips, waves

PAST = 20_000
LARGE = {"admissions", "orders", "truck_requests", "offers", "order_events", "outbox", "drivers"}
MORE = """
    INSERT INTO drivers (id, name, phone, vehicle_type, vehicle_subtype, vehicle, vehicle_number, available)
    SELECT 'past-' || n, 'Past', '1', 'TRUCK', 'KIND', kind, '1', n % 3 = 0
    FROM (
        SELECT n, CASE n % 5 WHEN 0 THEN 'truck:tata_ace' ELSE 'truck:' || n % 5 END AS kind
        FROM generate_series(1, :count) AS n
    ) AS numbered;
    INSERT INTO outbox (order_id, body, created_at)
    SELECT id, '{"messages": [], "changed_drivers": []}', now() + interval '1 hour' FROM orders;
"""
BEGINNINGS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")

Sent = dict[str, Any]


@pytest.fixture
def past(clean: None, stores: Stores) -> Iterator[None]:
    """Tables with a past, analysed."""
    write_past(stores.postgres.url, PAST)
    with db.statements() as connection:
        connection.execute(text(MORE), {"count": PAST})
        connection.exec_driver_sql("ANALYZE")
    yield
    # Others count what is in the tables.
    with db.statements() as connection:
        connection.exec_driver_sql("TRUNCATE orders CASCADE")


@contextmanager
def statements() -> Iterator[Sent]:
    """The statements that are sent meanwhile, each with the parameters it came with first."""
    sent: Sent = {}

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: bool) -> None:
        for part in statement.split(";"):
            if part.strip().upper().startswith(BEGINNINGS):
                sent.setdefault(part.strip(), parameters)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def main_job() -> None:
    """An order from the door to its end in each of the ways it can go, and every sweep."""
    for number in range(3):
        scenes.driver(f"driver-{number}", 1 + number)
    taken, left = (scenes.admitted(name, key="key", trucks=2) for name in ("asha", "bina"))
    admitting.by_key("asha", "key")
    admitting.by_order(taken)
    orders.place([taken, left])
    reading.driver_opening("driver-0")
    accepting.decline("driver-2", taken)
    follow(accepting.accept("driver-0", taken, None).followup)
    follow(accepting.accept("driver-1", taken, None).followup)
    [truck, other] = [each["id"] for each in reading.order(taken)["truckRequests"]]
    for status in ("en_route_pickup", "at_pickup"):
        trips.advance("driver-0", truck, status)
    follow(trips.give_back("driver-1", other, "flat tyre"))
    waves.next_wave(left, datetime.now(UTC) + timedelta(seconds=11))
    orders.cancel("asha", taken, "found another")
    expiring.expire(left, datetime.now(UTC) + timedelta(seconds=61))
    reading.current_order("asha")
    locating.save({"driver-0": Position(28.5, 77.4, scenes.now_ms())})
    for sweep in (sweeps.expire, sweeps.send_waves, sweeps.recover, sweeps.deliver, sweeps.cleanup):
        sweep()


def whole_tables(plan: dict[str, Any]) -> set[str]:
    """The large tables that a plan reads from one end to the other."""
    found = {plan["Relation Name"]} & LARGE if plan["Node Type"] == "Seq Scan" else set()
    return found.union(*(whole_tables(part) for part in plan.get("Plans", [])))


def test_no_statement_of_the_main_job_reads_a_large_table_from_end_to_end(past: None) -> None:
    with statements() as sent:
        main_job()
    assert len(sent) > 40
    found = {}
    with db.engine().connect() as connection:
        for statement, parameters in sent.items():
            told = connection.exec_driver_sql("EXPLAIN (FORMAT JSON) " + statement, parameters).scalar_one()
            plan = told if isinstance(told, list) else json.loads(told)
            if whole := whole_tables(plan[0]["Plan"]):
                found[" ".join(statement.split()[:3])] = whole
    assert found == {}


def test_a_plan_that_reads_a_whole_table_is_noticed(past: None) -> None:
    with db.statements() as connection:
        told = connection.exec_driver_sql("EXPLAIN (FORMAT JSON) SELECT FROM orders WHERE goods_type = 'x'")
        assert whole_tables(told.scalar_one()[0]["Plan"]) == {"orders"}
