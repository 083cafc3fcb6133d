"""Case `recovery`: orders accepted while no worker runs, and how they are placed once workers are back."""

import time
from collections import deque
from typing import Any

import psycopg2

from tools.bench import cpu
from tools.bench.arrivals import Arrivals, evenly
from tools.bench.course import Course
from tools.bench.crew import WAVE, Crew
from tools.bench.figures import Round, Row, costs, latencies
from tools.bench.http import Connection, Record
from tools.bench.loop import Loop

QUEUED = 50_000
CONNECTIONS = 16
WORKERS = ("orders", "sweeps", "beat")
# New customers during the drain.
NEW_A_SECOND = 4.0
DRAIN_SECONDS = 1_800.0
LOOK_SECONDS = 0.25
LAST_SECONDS = 15.0

LEFT = "SELECT count(*) FROM admissions WHERE state = 'queued' AND created_at BETWEEN %s AND %s"
# How far each order's turn was from its place in the order of arrival.
TURNS = """
    SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY abs(arrived - placed)), max(abs(arrived - placed)),
        count(*), count(*) FILTER (WHERE state <> 'placed')
    FROM (
        SELECT state, row_number() OVER (ORDER BY created_at) AS arrived,
            row_number() OVER (ORDER BY decided_at) AS placed
        FROM admissions WHERE created_at BETWEEN %s AND %s AND answer_status = 202
    ) AS turns
"""


def recovery(course: Course, count: int = QUEUED) -> list[Row]:
    """``count`` orders; every driver in reach is connected."""
    return [course.repeat("recovery", f"{count} orders queued", lambda _: _round(course, count))]


def _round(course: Course, count: int) -> Round:
    loop, subtype = Loop(), f"H_{time.time_ns()}"
    crew, queued = Crew(course, loop, subtype), Record()
    for name in WORKERS:
        course.site.terminate(name)
        del course.site.processes[name]
    first, seconds = _now(course), _queue(course, loop, subtype, count, queued)
    last = _now(course)
    course.say(
        f"recovery  {queued.statuses[202]} orders accepted with 202 in {seconds:.0f} s; the workers come back"
    )
    new = Record()
    orders = course.people.orders(subtype)
    arrivals = Arrivals(loop, course.site.web_port, new, lambda: next(orders))
    for name in WORKERS:
        course.site.launch(name)
    course.site.settle("orders")
    before, begun = cpu.seconds(course.site.kinds), time.monotonic()
    left = _ask(course, LEFT, (first, last))[0]
    drained = _drain(course, loop, crew, arrivals, begun, (first, last))
    used = cpu.since(before, cpu.seconds(course.site.kinds))
    arrivals.finish(time.monotonic() + LAST_SECONDS)
    wanted = WAVE * (count + new.answers)
    loop.run(time.monotonic() + LAST_SECONDS, lambda: crew.heard.offers >= wanted)
    loop.close()
    [p99, most, decided, lost] = _ask(course, TURNS, (first, last))
    course.settle()
    values = {
        "drained": (drained, "s"),
        "rate": (left / drained, "orders/s"),
        "accepted meanwhile": (queued.statuses[202] / seconds, "orders/s"),
        "out of turn, p99": (float(p99), "places"),
        "out of turn, most": (float(most), "places"),
    }
    values |= latencies("new order answered", new.seconds) | costs(used, left)
    counts: dict[str, Any] = {"queued": dict(queued.statuses), "new": dict(new.statuses)}
    return Round(values, counts | {"decided": decided, "not placed": lost, "offers": crew.heard.offers})


def _queue(course: Course, loop: Loop, subtype: str, count: int, record: Record) -> float:
    """Posts the orders without waiting for their outcome; how many seconds that took."""
    made = deque(_asynchronous(next(course.people.orders(subtype))) for _ in range(count))

    def free(line: Connection, now: float) -> None:
        if made:
            line.send(made.popleft(), now)

    lines = [Connection(loop, course.site.web_port, record, free) for _ in range(CONNECTIONS)]
    begun = time.monotonic()
    for line in lines:
        free(line, begun)
    loop.run(begun + DRAIN_SECONDS, lambda: record.answers + record.cut >= count)
    for line in lines:
        loop.remove(line)
    return time.monotonic() - begun


def _asynchronous(request: bytes) -> bytes:
    return request.replace(b"\r\nContent-Type", b"\r\nPrefer: respond-async\r\nContent-Type", 1)


def _drain(
    course: Course, loop: Loop, crew: Crew, arrivals: Arrivals, begun: float, between: tuple[Any, Any]
) -> float:
    """Serves everybody until the orders are placed; the seconds."""
    crew.work(begun + DRAIN_SECONDS)
    told = begun
    while left := _ask(course, LEFT, between)[0]:
        now = time.monotonic()
        if now > begun + DRAIN_SECONDS:
            raise AssertionError(f"{left} orders are still queued after {DRAIN_SECONDS:.0f} s")
        if now - told > 10:
            told = now
            course.say(f"recovery  {left} orders left")
        arrivals.schedule(evenly(now, NEW_A_SECOND, max(1, round(NEW_A_SECOND * LOOK_SECONDS))))
        loop.run(now + LOOK_SECONDS)
    return time.monotonic() - begun


def _now(course: Course) -> Any:
    return _ask(course, "SELECT clock_timestamp()", ())[0]


def _ask(course: Course, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    connection = psycopg2.connect(course.site.postgres.url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            row = cursor.fetchone()
            assert row is not None
            return row
    finally:
        connection.close()
