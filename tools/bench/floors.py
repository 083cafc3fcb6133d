"""Case `floors`: what an order costs, beside what its parts cost at least, at the same rate in the same run.

The parts are those that no system of this shape can leave out: a POST, a task, the rows of the order with
ten offers, and ten frames on ten sockets, each by the libraries as they come and programs that do no more.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from tests.conftest import migrate
from tests.system import until
from tools.bench import cpu, open_loop
from tools.bench.arrivals import Arrivals, evenly
from tools.bench.city import City
from tools.bench.course import Course
from tools.bench.cpu import Kinds
from tools.bench.figures import Round, Row
from tools.bench.http import Record, request
from tools.bench.loop import Loop
from tools.bench.people import People
from tools.bench.sockets import Heard, connect
from tools.local import binaries, ports

RATE = 50
DRIVERS = 10
SCRIPT = Path(__file__).parent / "order_rows.sql"
DATABASE, CLIENTS = "floors", 4
CELERY = ("celery", "-q", "-A", "tools.bench.empty", "worker", "-Q", "empty", "-c", "2")
ALONE = ("--without-mingle", "--without-gossip", "--loglevel", "error")
START_SECONDS = 30.0


def floors(course: Course) -> list[Row]:
    """One row: CPU-ms of an order and of each part."""
    return [course.repeat("floors", f"{RATE} a second", lambda _: _round(course))]


def _round(course: Course) -> Round:
    post, frames = _web(course)
    parts = {"empty POST": post, "empty task": _task(course), "the same rows": _rows(course)}
    parts |= {"ten frames": frames}
    values = {name: (ms, "CPU-ms") for name, ms in parts.items()}
    order, floor = _order(course), sum(parts.values())
    return Round({"order": (order, "CPU-ms"), **values, "order by its parts": (order / floor, "")})


def _order(course: Course) -> float:
    loop = Loop()
    city = City(course.site, loop)
    city.wait_until_ready()
    step = open_loop.step(city, RATE, course.seconds)
    loop.close()
    servers = sum(used for kind, used in step.used.items() if kind != cpu.CLIENT)
    return 1000 * servers / step.statuses[201]


def _web(course: Course) -> tuple[float, float]:
    """CPU-ms of an empty POST, and of ten frames."""
    port = ports.free()
    command = [
        "gunicorn",
        "-k",
        "gevent",
        "-w",
        "1",
        "-b",
        f"{ports.LOOPBACK}:{port}",
        "--log-level",
        "error",
    ]
    with _beside(course, [*command, "tools.bench.empty:create_app()"]) as head:
        until(lambda: _listens(port), START_SECONDS, "the empty application did not start")
        loop, heard = Loop(), Heard()
        connect(loop, port, ["nobody"] * DRIVERS, heard)
        post, frames = (_posts(course, loop, port, path, head) for path in ("/empty", "/frames"))
        loop.close()
    return post, frames - post


def _posts(course: Course, loop: Loop, port: int, path: str, head: int) -> float:
    arrivals = Arrivals(loop, port, Record(), lambda: request(path, "", b"{}"))
    kinds, count = {"web": [head]}, round(RATE * course.seconds)
    before = cpu.seconds(kinds)
    arrivals.schedule(evenly(time.monotonic(), RATE, count))
    loop.run(time.monotonic() + course.seconds)
    arrivals.finish(time.monotonic() + open_loop.LAST_SECONDS)
    used = cpu.since(before, cpu.seconds(kinds))["web"]
    arrivals.close()
    return 1000 * used / count


def _task(course: Course) -> float:
    """CPU-ms of publishing a task, of the worker that runs it, and of Redis between them."""
    redis = course.site.kinds["redis"]
    with _beside(course, [*CELERY, *ALONE]) as head:
        # The first task opens the connections of the publisher and of the worker.
        _publish(course, 1.0)
        kinds = {"worker": [head], "redis": redis}
        quiet = _used(kinds, lambda: time.sleep(course.seconds))
        published = 0.0

        def publish() -> None:
            nonlocal published
            published = _publish(course, course.seconds)

        return 1000 * (_used(kinds, publish) - quiet + published) / (RATE * course.seconds)


def _publish(course: Course, seconds: float) -> float:
    return float(course.site.python("-m", "tools.bench.empty", str(RATE), str(seconds)))


def _rows(course: Course) -> float:
    """CPU-ms of Postgres for the rows of an order, by `pgbench` with prepared statements."""
    kinds = {"postgres": course.site.kinds["postgres"]}
    with _database(course) as url:
        command: list[str | Path] = [binaries.postgres() / "pgbench", "-n", "-M", "prepared", "-f", SCRIPT]
        command += ["-R", str(RATE), "-c", str(CLIENTS), "-T", str(max(1, round(course.seconds)))]
        command += [text for name, value in _texts().items() for text in ("-D", f"{name}={value}")]
        command.append(url)
        quiet = _used(kinds, lambda: time.sleep(course.seconds))
        output = ""

        def run() -> None:
            nonlocal output
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout

        used = _used(kinds, run) - quiet
    return 1000 * used / int(re.findall(r"actually processed: (\d+)", output)[0])


def _texts() -> dict[str, str]:
    """As long as the product's: the answer, what the audit says of a wave, the follow-up of the order."""
    truck = "0" * 36
    asked = [{"driverId": f"bench-{n}", "truckRequestId": truck, "distanceKm": 1.2} for n in range(DRIVERS)]
    return {
        # pgbench would take what follows the colon for a variable.
        "vehicle": "truck:pgbench",
        "answer": json.dumps({"order": "x" * 1200}),
        "event": json.dumps({"wave": 1, "radiusKm": 5, "drivers": asked}),
        "box_body": json.dumps({"messages": asked, "details": "x" * 900}),
    }


def _used(kinds: Kinds, work: Callable[[], None]) -> float:
    """CPU seconds of these processes while ``work`` runs."""
    before = cpu.seconds(kinds)
    work()
    used = cpu.since(before, cpu.seconds(kinds))
    return sum(seconds for kind, seconds in used.items() if kind != cpu.CLIENT)


@contextmanager
def _beside(course: Course, module: list[str]) -> Iterator[int]:
    """A Python program in the environment of the system for the time of the block; its process id."""
    command = [sys.executable, "-m", *module]
    site = course.site
    with (
        (site.directory / "floors.log").open("ab") as log,
        subprocess.Popen(command, cwd=site.root, env=site.environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield process.pid
        finally:
            process.terminate()


@contextmanager
def _database(course: Course) -> Iterator[str]:
    """Another database of the same server with the tables and ten drivers; its address."""
    url = course.site.postgres.url_of(DATABASE)
    _administer(course, f"CREATE DATABASE {DATABASE}")
    try:
        migrate(course.site.environment | {"DATABASE_URL": url})
        People(course.site).register("PGBENCH", DRIVERS, url)
        yield url
    finally:
        _administer(course, f"DROP DATABASE {DATABASE} WITH (FORCE)")


def _administer(course: Course, statement: str) -> None:
    connection = psycopg2.connect(course.site.postgres.url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def _listens(port: int) -> bool:
    try:
        connect(Loop(), port, ["nobody"], Heard())
    except OSError:
        return False
    return True
