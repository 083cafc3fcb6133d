"""One row that fails by itself stops no sweep, no batch and no page: it is noted and left behind."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from os import environ
from typing import Any

import psycopg2
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from psycopg2.errors import LockNotAvailable
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from models import clock, db, live
from models.live import mailbox
from models.live.driver_index import Position
from tasks import offers, sweeps
from tests import scenes
from tests.conftest import ROOT
from web import create_app
from web.positions import live as reports
from web.positions.history import PositionHistory
from workers import failing
from workers.drivers import locating, tracking
from workers.drivers.tracking import Way
from workers.offers import accepting, waves
from workers.orders import expiring, recovering
from workers.reading import current, operators

pytestmark = pytest.mark.usefixtures("clean")

# Postgres takes it, in UTC it lies before the year 1.
BEFORE_CHRIST = "0001-01-01T00:00:00+14:00"


def run(statement: str, **values: Any) -> Any:
    with db.statements() as connection:
        found = connection.execute(text(statement), values)
        return found.all() if found.returns_rows else None


def noted() -> list[tuple[str, str, int]]:
    return [tuple(row) for row in run("SELECT batch, row_id, failures FROM failed_rows ORDER BY 1, 2")]


def status(order_id: str) -> str:
    return str(current.order(order_id)["order"]["status"])


@contextmanager
def poisoned(order_id: str) -> Iterator[None]:
    """Whatever changes this order fails in Postgres."""
    run(f"""
        CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.id = '{order_id}' THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$
    """)
    run("CREATE TRIGGER poison BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION poison()")
    try:
        yield
    finally:
        run("DROP FUNCTION poison CASCADE")


@contextmanager
def unchecked(constraint: str, table: str) -> Iterator[None]:
    """As it was before the constraint was there."""
    (definition,) = run(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name", name=constraint
    )[0]
    run(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    try:
        yield
    finally:
        run("TRUNCATE drivers CASCADE")
        run(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}")


class LockTimeout(LockNotAvailable):
    """As Postgres says it."""

    pgcode = "55P03"


def of_postgres(error: psycopg2.Error) -> Exception:
    return db.as_unavailable(OperationalError("SELECT", {}, error))


# Sweeps.


@pytest.mark.parametrize(
    ("sweep", "due", "batch"),
    [(sweeps.expire, expiring.due, "expire"), (sweeps.send_waves, waves.due, "waves")],
    ids=["expire", "waves"],
)
def test_a_sweep_goes_on_beside_an_order_that_fails(
    sweep: Callable[[], int], due: Callable[[], list[str]], batch: str
) -> None:
    orders = [scenes.placed(f"customer-{number}").order_id for number in range(30)]
    scenes.driver("one")
    overdue = "expires_at" if batch == "expire" else "next_wave_at"
    run(f"UPDATE orders SET {overdue} = now() - interval '1 second'")
    run(f"UPDATE orders SET {overdue} = now() - interval '1 hour' WHERE id = :id", id=orders[7])
    with poisoned(orders[7]):
        assert due()[0] == orders[7]
        sweep()
        # However long the rest takes, no other order has its next wave meanwhile.
        run("UPDATE orders SET next_wave_at = next_wave_at + interval '1 hour' WHERE id <> :id", id=orders[7])
        assert noted() == [(batch, orders[7], 1)]
        # Not again before everybody else's in the next second, and less and less often.
        assert due() == []
        sweep()
        assert noted() == [(batch, orders[7], 1)]
        for failures, pause in ((2, 4), (3, 8)):
            run("UPDATE failed_rows SET not_before = now()")
            sweep()
            assert noted() == [(batch, orders[7], failures)]
            (left,) = run("SELECT extract(epoch FROM not_before - failed_at) FROM failed_rows")[0]
            assert left == pause
    run("UPDATE failed_rows SET not_before = now()")
    assert due() == [orders[7]]
    sweep()
    assert due() == []
    if batch == "expire":
        assert {status(order_id) for order_id in orders} == {"expired"}
    else:
        assert [wave for (wave,) in run("SELECT wave FROM orders")] == [2] * 30


def test_what_nobody_placed_is_placed_beside_what_cannot_even_be_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong, right = scenes.admitted("asha"), scenes.admitted("bina")
    run("UPDATE admissions SET created_at = now() - interval '1 minute', attempts = 1")
    may_try = recovering.may_try

    def fails(order_id: str) -> bool:
        if order_id == wrong:
            raise ValueError("wrong")
        return may_try(order_id)

    monkeypatch.setattr("workers.orders.recovering.may_try", fails)
    assert sweeps.recover() == 1
    assert (status(wrong), status(right)) == ("queued", "active")
    assert noted() == [("recover", wrong, 1)]


@pytest.mark.parametrize("body", ["{", "[]", '{"messages": [{"no": "message"}], "changed_drivers": []}'])
def test_a_follow_up_that_cannot_be_read_stops_neither_the_others_nor_its_order(body: str) -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    first, second = scenes.placed("asha").order_id, scenes.placed("bina").order_id
    run(
        "UPDATE outbox SET created_at = now() - interval '1 hour', body = :body WHERE order_id = :id",
        body=body,
        id=first,
    )
    run("UPDATE outbox SET created_at = now() - interval '1 minute' WHERE order_id = :id", id=second)
    (row_id,) = run("SELECT id FROM outbox WHERE order_id = :id", id=first)[0]
    assert sweeps.deliver() == 1
    assert [frame.type for frame in mailbox.since("driver:two", 0).frames] == ["new_broadcast"]
    assert noted() == [("deliver", str(row_id), 1)]
    assert sweeps.deliver() == 0
    # Its order goes on.
    assert offers.accept("one", first)["result"] == "accepted"
    assert "trip_assigned" in [frame.type for frame in mailbox.since("driver:one", 0).frames]


def test_a_broken_mailbox_keeps_no_message_from_others() -> None:
    scenes.driver("one", vehicle=("TRUCK", "LCV"))
    scenes.driver("two", 2)
    scenes.placed("asha", vehicle=("TRUCK", "LCV"))
    scenes.placed("bina")
    live.commands().set("mailbox:driver:one:state", "not a hash")
    run("UPDATE outbox SET created_at = now() - interval '1 minute'")
    assert sweeps.deliver() == 1
    assert [frame.type for frame in mailbox.since("driver:two", 0).frames] == ["new_broadcast"]
    ((batch, _, failures),) = noted()
    assert (batch, failures) == ("deliver", 1)


def test_cleaning_does_all_that_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes.driver("silent")
    live.commands().zadd("drivers:heard", {"what is this": 0})
    live.commands().zadd("drivers:heard", {"truck:tata_ace|silent": 1})
    scenes.placed("asha")
    run("UPDATE admissions SET created_at = now() - interval '100 hours'")
    monkeypatch.setitem(sweeps.CLEANING, "expired", lambda: 1 // 0)
    sweeps.cleanup()
    assert run("SELECT count(*) FROM admissions")[0][0] == 0
    assert live.commands().zcard("drivers:heard") == 0


# Batches.


def test_of_positions_that_are_saved_together_the_wrong_one_is_left_out() -> None:
    drivers = [scenes.driver(f"driver-{number}") for number in range(20)]
    now_ms, collected = clock.now_ms(), PositionHistory()
    for number, driver in enumerate(drivers):
        collected.record(driver, Position(91.0 if number == 7 else 28.0, 77.0, now_ms))
    collected.record_trips([], [])
    collected.stop()
    assert run("SELECT count(*) FROM drivers WHERE last_latitude = 28")[0][0] == 19
    assert noted() == [("positions", "driver-7", 1)]
    assert collected._latest == {}


@pytest.mark.parametrize("at_ms", [-62_135_647_200_000, 10**17, 253_402_351_199_999])
def test_a_time_that_nobody_can_have_meant_is_not_saved(at_ms: int) -> None:
    for driver in ("one", "two"):
        scenes.driver(driver)
    collected, now_ms = PositionHistory(), clock.now_ms()
    collected.record("one", Position(28.0, 77.0, now_ms))
    collected.record("two", Position(28.0, 77.0, at_ms))
    collected.stop()
    assert current.driver_opening("two").data["currentTrip"] is None
    assert [
        row.id for row in run("SELECT id FROM drivers WHERE last_position_at > now() - interval '1 min'")
    ][:1] == ["one"]
    assert operators.overview()["drivers"]


def test_of_ways_that_are_saved_together_the_wrong_one_is_left_out() -> None:
    scenes.driver("one")
    truck = offers.accept("one", scenes.placed().order_id)["truckRequestId"]
    now_ms, collected = clock.now_ms(), PositionHistory()
    collected._ways = {
        (Way("no such id", "one"), now_ms // 1000): (now_ms, 28.0, 77.0, 0),
        (Way(truck, "one"), now_ms // 1000): (now_ms, 28.0, 77.0, 0),
    }
    collected.stop()
    assert len(tracking.track(truck, "driver", "one")["points"]) == 1
    assert noted() == [("tracks", "no such id", 1)]
    assert not collected._ways


def test_a_driver_whose_key_is_broken_costs_only_their_own_positions() -> None:
    for driver in ("one", "two", "three"):
        scenes.driver(driver)
    live.commands().hset("driver:two", "place", "not a place")
    # Newer than what each of them has sent already, in the same millisecond too.
    sent = Position(scenes.NOIDA[0], scenes.NOIDA[1], clock.now_ms() + 1)
    some = [(driver, sent, lambda _: None) for driver in ("one", "two", "three")]
    one, two, three = reports._outcomes(some)
    assert isinstance(two, redis.ResponseError)
    assert [getattr(moved, "outcome", None) for moved in (one, three)] == ["live", "live"]
    assert locating.refresh(["one", "two", "three"], clock.now_ms()) == 3
    assert noted() == [("refresh", "two", 1)]


# Reading.


@pytest.mark.parametrize(
    "at", [BEFORE_CHRIST, "infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "294276-01-01"]
)
def test_a_time_that_python_cannot_hold_stops_no_page_and_nobodys_accept(at: str) -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    outcome = scenes.placed(trucks=2)
    with unchecked("ck_drivers_last_position_at", "drivers"):
        place = "last_latitude = 1, last_longitude = 1"
        run(f"UPDATE drivers SET {place}, last_position_at = '{at}' WHERE id = 'one'")
        assert operators.overview()["map"]["drivers"]
        run("UPDATE outbox SET created_at = now() - interval '1 minute'")
        live.commands().flushall()
        assert offers.accept("one", outcome.order_id)["result"] == "accepted"
        accepting.accept("two", outcome.order_id)
        run("UPDATE outbox SET created_at = now() - interval '1 minute'")
        assert sweeps.deliver() == 2
        assert current.driver_opening("one").data["currentTrip"]


@pytest.mark.parametrize("at", [BEFORE_CHRIST, "1999-12-31", "2100-01-02", "infinity", "-infinity"])
def test_postgres_takes_no_time_of_a_position_that_lies_outside(at: str) -> None:
    scenes.driver("one")
    wrong = f"UPDATE drivers SET last_latitude = 1, last_longitude = 1, last_position_at = '{at}'"
    with pytest.raises(IntegrityError, match="last_position_at"):
        run(wrong)


def test_one_order_that_cannot_be_shown_is_missing_on_the_map_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong, right = scenes.placed("asha").order_id, scenes.placed("bina").order_id
    progress = operators._progress

    def fails(row: Any) -> dict[str, Any]:
        if str(row.id) == wrong:
            raise ValueError("wrong")
        return progress(row)

    monkeypatch.setattr(operators, "_progress", fails)
    assert [order["id"] for order in operators.overview()["map"]["orders"]] == [right]


# Counted, told apart, mended.


def test_operators_see_how_many_rows_failed() -> None:
    failing.note("expire", "an order", ValueError("of Asha, +911234567890"))
    failing.note("expire", "another", ValueError())
    scraped = create_app().test_client().get("/metrics").get_data(as_text=True)
    found = {
        (sample.labels["batch"], sample.value)
        for family in text_string_to_metric_families(scraped)
        for sample in family.samples
        if sample.name == "weelo_failed_rows"
    }
    assert {("expire", 2.0), ("deliver", 0.0)} <= found
    assert run("SELECT DISTINCT error FROM failed_rows") == [("ValueError",)]
    assert failing.forget() == 0
    assert failing.forget(datetime.now(UTC) + timedelta(hours=2)) == 2


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (redis.ConnectionError(), True),
        (redis.ReadOnlyError("READONLY You can't write against a read only replica."), True),
        (redis.ResponseError("MISCONF Valkey is configured to save RDB snapshots"), True),
        (redis.ResponseError("WRONGTYPE Operation against a key"), False),
        (of_postgres(psycopg2.OperationalError("server closed the connection")), True),
        (of_postgres(LockTimeout()), False),
        (ValueError(), False),
    ],
    ids=lambda value: type(value).__name__ + str(value)[:20] if isinstance(value, Exception) else "",
)
def test_a_store_that_is_away_is_distinguished_from_a_wrong_row(error: Exception, away: bool) -> None:
    assert failing.store_away(error) is away


def test_the_migration_mends_what_lies_outside(aside: pytest.MonkeyPatch) -> None:
    del aside

    def alembic(*words: str) -> None:
        command = [sys.executable, "-m", "alembic", "-c", "models/migrations/alembic.ini", *words]
        subprocess.run(command, cwd=ROOT, env={**environ}, check=True, capture_output=True)

    scenes.driver("right")
    db.dispose()
    alembic("downgrade", "0011")
    place = "last_latitude = 1, last_longitude = 1"
    try:
        run("INSERT INTO revoked_tokens VALUES ('for ever', 'infinity')")
        run(f"UPDATE drivers SET {place}, last_position_at = now()")
        run("CREATE TABLE copied AS SELECT * FROM drivers")
        run(f"UPDATE copied SET id = 'wrong', last_position_at = '{BEFORE_CHRIST}'")
        run("INSERT INTO drivers SELECT * FROM copied")
        run("DROP TABLE copied")
    finally:
        db.dispose()
        alembic("upgrade", "head")
    found = {row.id: row.last_position_at for row in run("SELECT id, last_position_at FROM drivers")}
    assert found["wrong"] is None
    assert found["right"] is not None
    assert run("SELECT count(*) FROM revoked_tokens WHERE expires_at < now() + interval '32 days'")[0][0] == 1
