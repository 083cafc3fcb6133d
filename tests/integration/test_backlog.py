"""What has piled up in a minute without Redis is done within seconds, by the sweeps as they are."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import orjson
import pytest
from sqlalchemy import text

from models import db
from tasks import sweeps
from tests import scenes
from workers.offers import waves

pytestmark = pytest.mark.usefixtures("clean")

# A minute at 100 orders a second.
ORDERS = 6000
# Orders that search and have five offers each, their next wave and their end in the future.
SEARCHES = """
    SET session_replication_role = replica;
    INSERT INTO drivers (id, name, phone, vehicle_type, vehicle_subtype, vehicle, vehicle_number, available)
    SELECT 'd-' || n, 'D', '1', 'TRUCK', 'TATA_ACE', 'truck:tata_ace', '1', true
    FROM generate_series(0, 999) AS n;
    CREATE TEMP TABLE made AS
    SELECT n, uuidv7() AS id, uuidv7() AS truck FROM generate_series(1, {orders}) AS n;
    INSERT INTO orders (id, customer_id, status, searching, pickup, drop, route_points, pickup_latitude,
        pickup_longitude, distance_km, total_trucks, total_amount, wave, next_wave_at, request_id, expires_at)
    SELECT id, 'c-' || n, 'active', true, '{{"address": "Noida"}}', '{{"address": "Delhi"}}', '[]', 28.5,
        77.4, 25, 1, 500, 1, now() + interval '1 hour', 'past', now() + interval '1 hour' FROM made;
    INSERT INTO truck_requests (id, order_id, request_number, vehicle_type, vehicle_subtype, vehicle,
        price_per_truck)
    SELECT truck, id, 1, 'TRUCK', 'TATA_ACE', 'truck:tata_ace', 500 FROM made;
    INSERT INTO offers (id, order_id, driver_id, truck_request_id, vehicle, fare, round, wave,
        pickup_distance_km, offered_at)
    SELECT uuidv7(), id, 'd-' || (n * 5 + k) % 1000, truck, 'truck:tata_ace', 500, 1, 1, 1.5, now()
    FROM made, generate_series(0, 4) AS k;
    DROP TABLE made;
    SET session_replication_role = DEFAULT
"""
ADMISSIONS = """
    INSERT INTO admissions (order_id, customer_id, fingerprint, payload, request_id, reply_to, created_at)
    SELECT uuidv7(), 'c-' || n, '\\x00', CAST(:payload AS jsonb), 'past', 'nobody',
        now() - interval '3 seconds'
    FROM generate_series(1, :orders) AS n
"""


def run(statement: str, **values: object) -> None:
    with db.statements() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.execute(text(statement), values)
        connection.exec_driver_sql("RESET statement_timeout")


def count(rows: str) -> int:
    with db.statements() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {rows}").scalar_one())


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def runs(sweep: Callable[[], object], left: str) -> int:
    """How often a sweep runs, as beat has it run each second, until nothing is left."""
    for run_number in range(1, 100):
        sweep()
        if not count(left):
            return run_number
    raise AssertionError(f"{count(left)} left")


TIMED_TOO = pytest.mark.parametrize(
    "timed",
    [
        pytest.param(False, id="in five runs"),
        # Five seconds are close to what two cores without any other work need.
        pytest.param(True, id="in five seconds", marks=pytest.mark.by_hand),
    ],
)


@contextmanager
def five(timed: bool, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One form is timed; the other lets a run take its time, on a machine with other work."""
    if not timed:
        monkeypatch.setattr(sweeps, "AT_MOST_SECONDS", 10, raising=False)
    begun = time.monotonic()
    yield
    assert not timed or time.monotonic() - begun < 5


WAVES = """
    INSERT INTO outbox (order_id, body, created_at)
    SELECT id, '{"messages": [], "changed_drivers": [], "wave": [1, 1]}', now() - interval '3 seconds'
    FROM orders
"""


@pytest.mark.parametrize(
    ("due", "sweep", "left"),
    [
        (WAVES, "deliver", "outbox"),
        ("UPDATE orders SET expires_at = now() - interval '1 second'", "expire", "orders WHERE searching"),
        (
            "UPDATE orders SET next_wave_at = now() - interval '1 second'",
            "send_waves",
            "orders WHERE next_wave_at <= now()",
        ),
    ],
    ids=["messages", "ends", "waves"],
)
@TIMED_TOO
@pytest.mark.long
def test_what_a_minute_has_left_of_searches_is_done(
    due: str, sweep: str, left: str, timed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(SEARCHES.format(orders=ORDERS))
    run(due)
    with five(timed, monkeypatch):
        assert runs(getattr(sweeps, sweep), left) <= 5


@TIMED_TOO
@pytest.mark.long
def test_the_admissions_of_a_minute_are_placed(timed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    run(ADMISSIONS, payload=orjson.dumps(scenes.request("asha").payload).decode(), orders=ORDERS)
    with five(timed, monkeypatch):
        assert runs(sweeps.recover, "admissions WHERE state = 'queued'") <= 5


def test_a_sweep_stops_after_a_second_though_more_is_due() -> None:
    run(SEARCHES.format(orders=ORDERS))
    run("UPDATE orders SET expires_at = now() - interval '1 second'")
    sweeps.expire()
    assert count("orders WHERE searching")


def test_a_row_that_another_process_holds_is_tried_once_and_stops_nobody() -> None:
    held, free = scenes.placed("asha").order_id, scenes.placed("bina").order_id
    run("UPDATE orders SET expires_at = now() - interval '1 second'")
    with db.transaction() as elsewhere:
        elsewhere.execute(text("SELECT FROM orders WHERE id = :id FOR UPDATE"), {"id": held})
        with within(0.9):
            assert sweeps.expire() == 1
    assert waves.due(datetime.now(UTC)) == []
    assert count(f"orders WHERE id = '{free}' AND status = 'expired'") == 1
