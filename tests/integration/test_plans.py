"""Every statement of the main job finds its rows by an index, however many past orders there are."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from models import db, poolers, prepared
from models.live.driver_index import Position
from tasks import orders, sweeps
from tasks.followups import follow
from tests import scenes
from tests import statements as code
from tests.conftest import Stores, empty_tables
from tests.growth.filling import fill_tables
from tools.bench.growth import write_past
from workers.drivers import locating, trips
from workers.offers import accepting, waves
from workers.orders import admitting, expiring
from workers.reading import current

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
SEARCHES = """
    INSERT INTO orders
        (id, customer_id, status, searching, pickup, drop, route_points, pickup_latitude, pickup_longitude,
            distance_km, total_trucks, total_amount, goods_type, wave, next_wave_at, request_id, expires_at)
    SELECT gen_random_uuid(), 'searching-' || n, 'active', true, pickup, drop, route_points, pickup_latitude,
        pickup_longitude, distance_km, total_trucks, total_amount, goods_type, wave, now(), request_id, now()
    FROM (SELECT * FROM orders LIMIT 1) AS one, generate_series(1, 2000) AS n
"""
BEGINNINGS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "PREPARE", "EXECUTE")
# Of placing an order: what admits it, reads it, places it, and ends its follow-up.
PREPARED = 4

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
    current.driver_opening("driver-0")
    accepting.decline("driver-2", taken)
    follow(accepting.accept("driver-0", taken, None).followup)
    follow(accepting.accept("driver-1", taken, None).followup)
    [truck, other] = [truck["id"] for truck in current.order(taken)["truckRequests"]]
    for status in ("en_route_pickup", "at_pickup"):
        trips.advance("driver-0", truck, status)
    follow(trips.give_back("driver-1", other, "flat tyre"))
    waves.next_wave(left, datetime.now(UTC) + timedelta(seconds=11))
    orders.cancel("asha", taken, "found another")
    expiring.expire(left, datetime.now(UTC) + timedelta(seconds=61))
    current.current_order("asha")
    locating.save({"driver-0": Position(28.5, 77.4, scenes.now_ms())})
    for sweep in (
        sweeps.expire,
        sweeps.send_waves,
        sweeps.recover,
        sweeps.deliver,
        sweeps.cleanup,
        sweeps.sample,
    ):
        sweep()


def forget_prepared() -> None:
    """Leaves no connection with prepared statements, so that the test sees them prepared."""
    db.dispose()
    assert prepared._Process.prepares


# What every connection, and every prepared statement, sets that changes a plan.
OPTIONS = " ".join(f"-c {name}={value}" for name, value in poolers.SESSION.items() if " " not in value)
OPTIONS += " -c enable_seqscan=off"


def explained(sent: Sent, url: str, session: str) -> dict[str, dict[str, Any]]:
    """The plans of statements, in a session of their own with these options; of the prepared ones, too."""
    plans = {}
    address = url.replace("postgresql://", db.DIALECT, 1)
    made = create_engine(address, connect_args={"options": session}, poolclass=NullPool)
    with made.connect() as connection:
        for statement in sent:
            if statement.startswith("PREPARE"):
                connection.exec_driver_sql(statement)
        for statement, parameters in sent.items():
            if not statement.startswith("PREPARE"):
                told = connection.exec_driver_sql(
                    "EXPLAIN (FORMAT JSON) " + statement, parameters
                ).scalar_one()
                plan = told if isinstance(told, list) else json.loads(told)
                plans[statement] = plan[0]["Plan"]
    return plans


def unbounded(plan: dict[str, Any]) -> list[str]:
    """The tables and indexes that a plan reads from one end to the other, however short they are now."""
    return [
        str(part.get("Index Name", part.get("Relation Name")))
        for part in code.parts(plan)
        if part["Node Type"] in ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan")
        and "Index Cond" not in part
    ]


def whole_tables(plan: dict[str, Any]) -> set[str]:
    """The large tables that a plan reads from one end to the other."""
    found = {plan["Relation Name"]} & LARGE if plan["Node Type"] == "Seq Scan" else set()
    return found.union(*(whole_tables(part) for part in plan.get("Plans", [])))


@pytest.mark.unpooled
def test_no_statement_of_the_main_job_reads_a_large_table_from_end_to_end(past: None, stores: Stores) -> None:
    forget_prepared()
    with statements() as sent:
        main_job()
    executed = [statement for statement in sent if statement.startswith("EXECUTE")]
    assert len(executed) == PREPARED
    assert len(sent) > 40 + PREPARED
    # Without what sessions of ours say of plans: a statement is to find its way by itself.
    for session in ("", "-c plan_cache_mode=force_custom_plan", "-c plan_cache_mode=force_generic_plan"):
        plans = explained(sent, stores.postgres.url, session)
        assert len(plans) == len(sent) - PREPARED
        found = {name: whole for name, plan in plans.items() if (whole := whole_tables(plan))}
        assert found == {}, session


STATES = {
    "new tables": [],
    "tables that were emptied": ["VACUUM ANALYZE"],
    "a past that was not analysed": ["past"],
    "a past": ["past", "ANALYZE"],
    "searches that the statistics do not know": ["past", "ANALYZE", SEARCHES],
}


@pytest.mark.unpooled
@pytest.mark.parametrize("state", STATES)
def test_a_plan_that_is_kept_does_not_live_on_tables_being_short(
    clean: None, stores: Stores, state: str
) -> None:
    forget_prepared()
    with statements() as sent:
        scenes.driver("driver", 1)
        orders.place([scenes.admitted("asha", key="key")])
    kept = {
        statement: values
        for statement, values in sent.items()
        if statement.startswith(("PREPARE", "EXECUTE"))
    }
    assert len(kept) == 2 * PREPARED
    with db.statements() as connection:
        connection.exec_driver_sql("TRUNCATE orders, admissions, drivers, outbox, order_events CASCADE")
    for step in STATES[state]:
        if step == "past":
            write_past(stores.postgres.url, PAST)
            continue
        with db.statements() as connection:
            connection.exec_driver_sql(step)
    plans = explained(kept, stores.postgres.url, OPTIONS)
    assert len(plans) == PREPARED
    read = {index for plan in plans.values() for index in unbounded(plan)}
    assert read == set()
    with db.statements() as connection:
        connection.exec_driver_sql("TRUNCATE orders CASCADE")


# What reads a part of an index by a range and leaves rows out, and why these are few.
FEW_LEFT_OUT = {
    "models.outbox.OVERDUE": "what has failed by itself and pauses",
    "workers.orders.expiring.DUE": "what has failed by itself and pauses",
    "workers.reading.figures.FAILED": "what has failed by itself in the last hour",
    "workers.cleaning.FORGET_ADMISSIONS": "what is still queued after days",
    "workers.erasing.DRIVEN": "all offers of one driver, once at their erasure",
    "workers.erasing.FORGET_KEYS": "at most one is still queued",
    "workers.cleaning.FORGET_PHONES": "nothing: a row that is locked is held against the index's condition",
    "workers.orders.recovering.OVERDUE": "what has failed before and pauses",
    "workers.revoking.SINCE": "what ran out in the minute in which it was called back",
    "workers.reading.operators.ARRIVED": "what was refused in the last minute",
    "workers.offers.waves.DUE": "searches that the sweep of expiry ends in the same second",
}


@pytest.fixture(scope="module")
def grown(stores: Stores) -> Iterator[None]:
    """Tables as after long use: every status, one customer with three orders in ten, trips under way."""
    empty_tables()
    fill_tables(stores.postgres.url, PAST, offers=5, drivers=6000)
    yield
    empty_tables()


def test_every_statement_in_the_code_finds_its_rows_by_a_condition_on_the_first_column_of_an_index(
    grown: None,
) -> None:
    found = {}
    with db.statements() as connection:
        known = code.indexes(connection)
        for name, sql in code.every().items():
            if whole := code.reads_too_much(code.generic_plan(connection, sql), known, frozenset(LARGE)):
                found[name] = whole
    assert not {name: whole for name, whole in found.items() if name not in FEW_LEFT_OUT}


def test_every_statement_is_where_the_test_of_plans_finds_it() -> None:
    assert len(code.every()) > 100
    assert code.hidden() == []


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("SELECT FROM offers WHERE truck_request_id = :id", "skips through all of it by its second columns"),
        ("SELECT FROM orders WHERE goods_type = :value", "reads the table"),
        ("SELECT FROM offers WHERE state = :state", "reads the table"),
        ("SELECT FROM orders WHERE id < :id AND status = :status ORDER BY id DESC LIMIT 20", "walks"),
        ("SELECT FROM orders WHERE customer_id = :customer AND goods_type = :value", "one customer's all"),
        ("SELECT FROM truck_requests WHERE driver_id = :driver AND status = :status", "one driver's all"),
        ("SELECT count(*) FROM orders WHERE searching", "reads an index of a few to its end"),
    ],
)
def test_a_statement_that_reads_more_the_longer_the_product_runs_is_noticed(
    grown: None, statement: str, why: str
) -> None:
    with db.statements() as connection:
        # Whatever else could serve it is taken away.
        connection.exec_driver_sql("BEGIN; DROP INDEX ix_orders_status")
        known = code.indexes(connection)
        assert code.reads_too_much(code.generic_plan(connection, statement), known, frozenset(LARGE)), why
        connection.exec_driver_sql("ROLLBACK")


def test_every_foreign_key_is_found_by_an_index_of_its_own_table(clean: None) -> None:
    """Deleting the referenced row looks for each of its references there."""
    with db.statements() as connection:
        missing = connection.exec_driver_sql("""
            SELECT c.conname FROM pg_constraint c
            WHERE c.contype = 'f' AND NOT EXISTS (
                SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = ANY(c.conkey)
                    AND coalesce(pg_get_expr(i.indpred, i.indrelid), '') ~ '^(|[(]\\w+ IS NOT NULL[)])$'
            )
        """).all()
    assert [tuple(row) for row in missing] == []


def test_a_plan_that_reads_a_whole_table_is_noticed(past: None) -> None:
    with db.statements() as connection:
        told = connection.exec_driver_sql("EXPLAIN (FORMAT JSON) SELECT FROM orders WHERE goods_type = 'x'")
        assert whole_tables(told.scalar_one()[0]["Plan"]) == {"orders"}


def test_a_prepared_statement_that_reads_a_whole_table_or_index_is_noticed(
    past: None, stores: Stores
) -> None:
    sent = {
        "PREPARE a AS SELECT FROM orders WHERE goods_type = $1": (),
        "EXECUTE a (%s)": ("x",),
        "PREPARE b AS SELECT FROM orders WHERE searching AND round = 1 AND id = ANY($1::uuid[])": (),
        "EXECUTE b (%s)": ("{}",),
    }
    plans = explained(sent, stores.postgres.url, "-c plan_cache_mode=force_generic_plan")
    assert whole_tables(plans["EXECUTE a (%s)"]) == {"orders"}
    # Few searches are going on: their index is read whole, and would be in the same way with thousands.
    assert unbounded(plans["EXECUTE b (%s)"])


def test_what_no_condition_asks_for_has_no_statistics(clean: None) -> None:
    with db.statements() as connection:
        found = connection.exec_driver_sql(
            "SELECT CAST(CAST(attrelid AS regclass) AS text), attname FROM pg_attribute"
            " JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'"
            " AND relnamespace = CAST('public' AS regnamespace)"
            " WHERE atttypid = CAST('jsonb' AS regtype) AND coalesce(attstattarget, -1) <> 0"
        ).all()
    assert found == []
