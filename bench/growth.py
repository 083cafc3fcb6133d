"""Case (g): whether orders and sweeps get slower while past orders pile up in the tables."""

import json
import time
from pathlib import Path
from string import Template

import psycopg2

from bench import placing
from bench.course import Course
from bench.figures import Round, Row, latencies

PAST = (0, 1_000_000, 5_000_000)
CONNECTIONS = 16
SWEEPS = 200
SCRIPT = Path(__file__).parent / "past.sql"
# Below the 72 h after which admissions are forgotten.
HOURS = 70


def growth(course: Course, sizes: tuple[int, ...] = PAST) -> list[Row]:
    """(g): for each size a row of (a) at 16 connections and one of the sweeps."""
    rows, here = [], 0
    for size in sizes:
        if size > here:
            _add(course, size - here)
            here = size
        condition = f"{CONNECTIONS} connections, {size} past orders"
        rows.append(course.repeat("g", condition, lambda _: placing.placed(course, CONNECTIONS, "G")[0]))
        rows.append(course.repeat("g", f"sweeps, {size} past orders", lambda _: _sweeps(course)))
    return rows


def _sweeps(course: Course) -> Round:
    took = json.loads(course.site.python("-m", "bench.sweeps", str(SWEEPS)).splitlines()[-1])
    values: dict[str, tuple[float, str]] = {}
    for name, seconds in took.items():
        values |= latencies(name, seconds)
    return Round(values)


def _add(course: Course, count: int) -> None:
    """Writes past orders, and leaves the tables as a quiet night does: analysed, written out."""
    course.say(f"g  writing {count} past orders")
    begun = time.monotonic()
    write_past(course.site.postgres.url, count)
    course.say(f"g  written in {time.monotonic() - begun:.0f} s")


def write_past(url: str, count: int) -> None:
    """Writes so many orders of the last days, with one row in each table, and cleans up after that."""
    script = Template(SCRIPT.read_text()).substitute(count=count, hours=HOURS, batch=f"{time.time_ns()}")
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(script)
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")
    connection.close()
