"""Case `growth`: whether orders and sweeps get slower while past orders pile up in the tables."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from string import Template

import psycopg2

from tools.bench import open_loop
from tools.bench.city import City
from tools.bench.course import Course
from tools.bench.figures import Round, Row, latencies
from tools.bench.loop import Loop

PAST = (0, 1_000_000, 5_000_000)
RATE = 200
SWEEPS = 200
SCRIPT = Path(__file__).parent / "past.sql"
# Below the 72 h after which admissions are forgotten.
HOURS = 70


def growth(course: Course, sizes: Sequence[int] = PAST) -> list[Row]:
    """For each size a row of orders at a rate and one of the sweeps."""
    rows, here, loop = [], 0, Loop()
    city = City(course.site, loop)
    for size in sizes:
        if size > here:
            _add(course, size - here)
            here = size
        city.wait_until_ready()
        condition = f"{RATE} orders/s, {size} past orders"
        rows.append(
            course.repeat("growth", condition, lambda _: open_loop.step(city, RATE, course.seconds).round())
        )
        rows.append(course.repeat("growth", f"sweeps, {size} past orders", lambda _: _sweeps(course)))
    loop.close()
    return rows


def _sweeps(course: Course) -> Round:
    took = json.loads(course.site.python("-m", "tools.bench.sweeps", str(SWEEPS)).splitlines()[-1])
    values: dict[str, tuple[float, str]] = {}
    for name, seconds in took.items():
        values |= latencies(name, seconds)
    return Round(values)


def _add(course: Course, count: int) -> None:
    """Writes past orders, and leaves the tables as a quiet night does: analysed, written out."""
    course.say(f"growth  writing {count} past orders")
    begun = time.monotonic()
    write_past(course.site.postgres.url, count)
    course.say(f"growth  written in {time.monotonic() - begun:.0f} s")


def write_past(url: str, count: int) -> None:
    """Writes so many orders of the last days, with one row in each table, and cleans up after that."""
    run_script(
        url, Template(SCRIPT.read_text()).substitute(count=count, hours=HOURS, batch=f"{time.time_ns()}")
    )


def run_script(url: str, script: str) -> None:
    """Runs SQL that fills tables, and leaves them analysed and written out."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(script)
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")
    connection.close()
