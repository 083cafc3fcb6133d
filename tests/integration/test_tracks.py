"""A track: a point a second, from the assignment to the end of the trip; a page of it costs what it shows."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models import db
from models.live import commands
from models.live.driver_index import Position
from models.tables.orders import RUNNING
from tasks import drivers, offers, orders
from tasks import trips as trip_tasks
from tests import scenes
from tests.integration.test_trips import assigned_ago
from web.positions import history
from web.positions.history import PositionHistory
from workers.drivers import tracking
from workers.drivers.tracking import Way

pytestmark = pytest.mark.usefixtures("clean")

HERE = scenes.NOIDA
MINUTE = 60_000


@pytest.fixture
def truck(clean: None) -> str:
    """A truck of asha's that d has won."""
    scenes.driver("d")
    return str(offers.accept("d", scenes.placed().order_id)["truckRequestId"])


def sent(*times_ms: int, through: PositionHistory | None = None) -> None:
    """The driver's phone sends positions of these times in one batch, and they are written."""
    reports = [("d", Position(*HERE, at_ms)) for at_ms in times_ms]
    collected = through or PositionHistory()
    collected.record_trips(reports, drivers.report_positions(reports, scenes.now_ms()))
    collected.stop()


def seen(truck_id: str, **page: Any) -> list[int]:
    """The times of the track's points, in ms since 1970."""
    points = tracking.track(truck_id, "customer", "asha", **page)["points"]
    return [round(datetime.fromisoformat(point["at"]).timestamp() * 1000) for point in points]


def test_a_track_keeps_a_point_a_second_however_many_are_sent(truck: str) -> None:
    begun = assigned_ago(truck, minutes=10) + MINUTE
    whole = begun - begun % 1000
    sent(*(whole + ms for ms in range(0, 3000, 50)))
    # Again, in between, and through another process.
    sent(*(whole + ms for ms in range(25, 3000, 50)), through=PositionHistory())
    assert seen(truck) == [whole, whole + 1000, whole + 2000]


def test_a_track_has_nothing_from_before_the_assignment(truck: str) -> None:
    now = scenes.now_ms()
    sent(now - 9 * 60 * MINUTE, now - 30_000, now - 2000)
    assert seen(truck) == []
    # As a process writes it that knows nothing of the assignment.
    tracking.record({Way(truck, "d"): [(now - 9 * 60 * MINUTE, *HERE, 0)]})
    assert rows() == 0


def test_a_track_has_nothing_from_after_the_end_of_its_trip(truck: str) -> None:
    begun = assigned_ago(truck, minutes=10)
    tracking.record({Way(truck, "d"): [(begun + MINUTE, *HERE, 0)]})
    for step in (*RUNNING[1:], "completed"):
        trip_tasks.advance("d", truck, step)
    ended_ago(truck, minutes=5)
    late = [(begun + minute * MINUTE, *HERE, 0) for minute in (2, 6, 7, 8)]
    tracking.record({Way(truck, "d"): late})
    assert seen(truck) == [begun + MINUTE, begun + 2 * MINUTE]


def test_a_point_from_after_the_end_is_not_written(truck: str) -> None:
    begun = assigned_ago(truck, minutes=10)
    orders.cancel("asha", order_of(truck), "never mind")
    ended_ago(truck, minutes=5)
    tracking.record({Way(truck, "d"): [(begun + 6 * MINUTE, *HERE, 0)]})
    assert rows() == 0


def test_what_is_in_the_table_from_before_and_after_a_trip_is_not_shown(truck: str) -> None:
    begun = assigned_ago(truck, minutes=10)
    orders.cancel("asha", order_of(truck), "never mind")
    ended_ago(truck, minutes=5)
    stored(truck, begun // 1000 - 600, 1800)
    track = seen(truck)
    assert begun <= track[0] < begun + 1000
    assert begun + 5 * MINUTE - 2000 < track[-1] <= begun + 5 * MINUTE + 1000


def test_a_position_ahead_of_our_clock_is_one_of_now(truck: str) -> None:
    assigned_ago(truck, minutes=1)
    sent(scenes.now_ms() + 50_000)
    (only,) = seen(truck)
    assert only <= scenes.now_ms()


def test_a_running_trip_shows_nothing_of_the_future(truck: str) -> None:
    assigned_ago(truck, minutes=1)
    stored(truck, scenes.now_ms() // 1000 - 10, 60)
    assert max(seen(truck)) <= scenes.now_ms()


def test_a_customer_never_sees_where_the_driver_was_before_the_assignment(truck: str) -> None:
    def told() -> int:
        return int(commands().hget("mailbox:customer:asha:state", "last") or 0)  # type: ignore[arg-type]

    # The phone has been silent since, so that its buffered position is the newest.
    commands().hdel("driver:d", "place")
    before = told()
    sent(scenes.now_ms() - 20_000)
    assert told() == before
    sent(scenes.now_ms())
    assert told() > before


def test_positions_that_wait_for_postgres_are_a_point_a_second_and_bounded(
    truck: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_WAITING", 5)
    begun = assigned_ago(truck, minutes=10)
    collected = PositionHistory()
    reports = [("d", Position(*HERE, begun + ms)) for ms in range(0, 10_000, 100)]
    collected.record_trips(reports, drivers.report_positions(reports, scenes.now_ms()))
    assert len(collected._ways) == 5
    collected.stop()
    assert len(seen(truck)) == 5


# --- what a page costs ---

MILLION = 1_000_000
HUNDRED_THOUSAND = 100_000


def test_a_page_reads_no_more_parts_than_it_shows(truck: str) -> None:
    begun = assigned_ago(truck, minutes=HUNDRED_THOUSAND / 60 + 1)
    stored(truck, begun // 1000 + 1, HUNDRED_THOUSAND)
    for limit in (1, 100, 1000):
        for after in (None, begun + HUNDRED_THOUSAND * 500):
            assert parts_read(truck, limit, after or begun) <= 3 * limit / tracking.PART_SECONDS + 50


def test_pages_follow_one_another_to_the_end_of_the_track(truck: str) -> None:
    begun = assigned_ago(truck, minutes=10)
    stored(truck, begun // 1000 + 1, 95)
    whole, paged, after = seen(truck), [], None
    while page := seen(truck, limit=10, after=after):
        paged += page
        after = datetime.fromtimestamp(page[-1] / 1000, UTC)
    assert paged == whole
    assert len(whole) == 95


@pytest.mark.long
def test_a_million_points_cost_a_page_of_one_nothing(truck: str) -> None:
    begun = assigned_ago(truck, minutes=MILLION / 60 + 1)
    stored(truck, begun // 1000 + 1, MILLION)
    took = []
    for _ in range(5):
        since = time.perf_counter()
        assert len(seen(truck, limit=1)) == 1
        took.append(time.perf_counter() - since)
    assert min(took) < 0.05


# --- reads and orders ---


def test_however_many_read_an_order_finds_a_connection(clean: None) -> None:
    def read() -> None:
        with db.reads() as connection:
            connection.execute(text("SELECT pg_sleep(1)"))

    with ThreadPoolExecutor(12) as pool:
        reading = [pool.submit(read) for _ in range(12)]
        time.sleep(0.1)
        with db.statements() as connection:
            connection.execute(text("SELECT 1"))
        assert not any(read_at_once.done() for read_at_once in reading)
        for read_at_once in reading:
            read_at_once.result()


def test_a_read_that_gets_no_turn_is_refused_as_when_there_is_no_connection(
    clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "POOL_TIMEOUT_SECONDS", 0.05)
    held = [db.reads() for _ in range(db.READERS)]
    for read in held:
        read.__enter__()
    try:
        with pytest.raises(PoolTimeout) as refused, db.reads():
            pass
        assert db.unreachable(refused.value)
    finally:
        for read in held:
            read.__exit__(None, None, None)
    with db.reads():
        pass


def rows() -> int:
    with db.statements() as connection:
        return int(connection.execute(text("SELECT count(*) FROM track_parts")).scalar_one())


def order_of(truck_id: str) -> str:
    with db.statements() as connection:
        found = connection.execute(
            text("SELECT order_id FROM truck_requests WHERE id = :id"), {"id": truck_id}
        )
        return str(found.scalar_one())


def ended_ago(truck_id: str, minutes: float) -> None:
    with db.statements() as connection:
        connection.execute(
            text("UPDATE truck_requests SET updated_at = now() - :ago WHERE id = :id"),
            {"id": truck_id, "ago": timedelta(minutes=minutes)},
        )


def stored(truck_id: str, from_s: int, seconds: int) -> None:
    """A point a second, straight into the table."""
    with db.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(
            text("""
                INSERT INTO track_parts (truck_request_id, driver_id, begins_s, points)
                SELECT :id, 'd', s - s % 10,
                    jsonb_object_agg(CAST(s % 10 AS text), jsonb_build_array(s * 1000, 28.5, 77.4, 0))
                FROM generate_series(CAST(:from_s AS bigint), CAST(:from_s AS bigint) + :seconds - 1) AS s
                GROUP BY s - s % 10
            """),
            {"id": truck_id, "from_s": from_s, "seconds": seconds},
        )
        connection.exec_driver_sql("ANALYZE track_parts")


def parts_read(truck_id: str, limit: int, from_ms: int) -> int:
    """How many rows of the table a page of the track reads."""
    wanted = {
        "id": truck_id,
        "driver_id": "d",
        "from_ms": from_ms,
        "until_ms": 10**13,
        "from_s": from_ms // 1000 // 10 * 10,
        "until_s": 10**10,
        "limit": limit,
    }
    with db.statements() as connection:
        told = connection.execute(
            text("EXPLAIN (ANALYZE, FORMAT JSON) " + tracking.POINTS.text), wanted
        ).scalar_one()
    plan = told if isinstance(told, list) else json.loads(told)
    return sum(
        int(node["Actual Rows"]) * int(node["Actual Loops"])
        for node in nodes(plan[0]["Plan"])
        if node.get("Relation Name") == "track_parts"
    )


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]
