"""`python -m tests.retention`: fills the tables with orders and drivers past their time, starts the system,
and says how fast they leave while 20 orders a second are placed, and how much longer those take.

Orders are placed in windows, with and without the deletion in turn, so that both meet the same machine. Ends
with 1 if a million would take more than an hour, 300,000 drivers more than ten minutes, or an order more than
a tenth longer.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from models import db, live, settings
from tasks import people
from tasks.erase_drivers import batches
from tests.conftest import Stores, started
from tests.growth.filling import fill_tables
from tests.system import System
from tools.bench import open_loop
from tools.bench.city import City
from tools.bench.cpu import Kinds
from tools.bench.figures import percentile
from tools.bench.loop import Loop
from tools.local.stores import Postgres, Valkey

SETTINGS = {"RETENTION_DAYS": "30", "ORDER_TTL_SECONDS": str(open_loop.TTL_SECONDS), "ORDERS_PER_MINUTE": "0"}
RATE = 20.0
WINDOW_SECONDS, WARM_UP_SECONDS = 8.0, 2.0
SLOWER, ORDERS_WITHIN, DRIVERS_WITHIN = 1.10, 3600.0, 600.0
# All rows are older than this.
AGE = "100 days"
OLD = f"""
    TRUNCATE admissions, revoked_tokens;
    UPDATE drivers SET updated_at = now() - interval '{AGE}', last_position_at = now() - interval '{AGE}',
        available = false;
    VACUUM ANALYZE drivers
"""
ORDERS_LEFT = """
    SELECT count(*) FROM orders WHERE status IN ('completed', 'cancelled', 'expired')
        AND created_at < now() - interval '30 days'
"""
DRIVERS_LEFT = """
    SELECT count(*) FROM drivers d WHERE updated_at < now() - interval '30 days'
        AND NOT EXISTS (SELECT FROM offers WHERE driver_id = d.id)
        AND NOT EXISTS (SELECT FROM truck_requests WHERE driver_id = d.id)
"""
# Held by the sweep for half a second when it begins: who holds it longer keeps the sweep from working.
TURN = "sweep:began:sweeps.retain"


@dataclass(frozen=True)
class Target:
    """What the load client needs to know of the system."""

    web_port: int
    secret: str
    kinds: Kinds


@dataclass
class Windows:
    """The times (s) of the orders of several windows."""

    answers: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    number: int = 0

    def add(self, city: City) -> None:
        """One more window."""
        step = open_loop.step(city, RATE, WINDOW_SECONDS, WARM_UP_SECONDS)
        self.number += 1
        self.answers += step.answers
        self.others += Counter(
            {str(status): count for status, count in step.statuses.items() if status != 201}
        )
        self.others["without an answer"] += step.due - step.statuses.total()

    def __str__(self) -> str:
        if not self.answers:
            return "nothing"
        p50, p99 = (1000 * percentile(self.answers, share) for share in (0.5, 0.99))
        mean = 1000 * statistics.fmean(self.answers)
        return (
            f"{len(self.answers)} orders, 201 after p50 {p50:.1f} ms, mean {mean:.1f} ms, p99 {p99:.1f} ms, "
            f"others: {dict(+self.others)}"
        )


def count(statement: str) -> int:
    with db.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        return int(connection.exec_driver_sql(statement).scalar_one())


def say(text: str) -> None:
    print(text, flush=True)


def erase(number: int, drivers: int) -> None:
    """Erases so many of the drivers, as an operator's list of them is erased."""
    begun, erased = time.monotonic(), 0
    step = max(1, drivers // max(1, number))
    for batch in batches(f"grown-{driver}" for driver in range(0, drivers, step)):
        erased += len(people.erase_drivers(batch, "asked for", "olga"))
    seconds = time.monotonic() - begun
    say(f"{erased} drivers erased on demand in {seconds:.1f} s: {erased / seconds:.0f} a second")


def measure(both: Stores, system: System, windows: int) -> bool:
    """Until everything has left; whether all limits hold."""
    loop = Loop()
    city = City(Target(int(system.urls[0].rpartition(":")[2]), settings.load().jwt_secret, {}), loop)
    city.wait_until_ready()
    without, beside, after = Windows(), Windows(), Windows()
    left = begun = count(ORDERS_LEFT)
    seconds = 0.0
    while left:
        in_turn = without.number < windows
        if in_turn:
            live.commands().set(TURN, 1, px=60_000)
            without.add(city)
            live.commands().delete(TURN)
        released = time.monotonic()
        (beside if in_turn else after).add(city)
        left = count(ORDERS_LEFT)
        seconds += time.monotonic() - released
        say(f"{left} orders left after {seconds:.0f} s of deletion")
    loop.close()
    million = 1e6 / (begun / seconds)
    say(f"without deletion: {without}\nbeside it:        {beside}\nfrom then on:     {after}")
    slower = percentile(beside.answers, 0.5) / percentile(without.answers, 0.5)
    say(
        f"{begun} orders left in {seconds:.0f} s, {begun / seconds:.0f} a second: a million in "
        f"{million / 60:.1f} min; an order takes {slower:.2f} times as long (p50)"
    )
    drivers = measure_drivers()
    return million <= ORDERS_WITHIN and drivers <= DRIVERS_WITHIN and slower <= SLOWER


def measure_drivers() -> float:
    """Seconds that 300,000 would need at the pace of those here."""
    begun, first = time.monotonic(), count(DRIVERS_LEFT)
    if not first:
        return 0.0
    while count(DRIVERS_LEFT):
        time.sleep(0.2)
    seconds = time.monotonic() - begun
    needed = 300_000 * seconds / first
    say(f"{first} drivers left in {seconds:.1f} s: 300,000 in {needed:.0f} s")
    return needed


def run(wanted: argparse.Namespace, both: Stores, logs: Path) -> int:
    """Fills, erases some, measures; the exit status."""
    begun = time.monotonic()
    fill_tables(both.postgres.url, wanted.orders, wanted.offers, wanted.drivers, AGE)
    with db.autocommit_engine().connect() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        for statement in OLD.split(";"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("RESET statement_timeout")
    erase(wanted.erase, wanted.drivers)
    say(f"filled in {time.monotonic() - begun:.0f} s")
    # Nothing is deleted before it is measured.
    live.commands().set(TURN, 1, px=60_000)
    system = System(both.environment | SETTINGS, logs)
    try:
        system.start()
        return not measure(both, system, wanted.windows)
    finally:
        system.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.retention", description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--offers", type=int, default=5, help="offers of each order")
    parser.add_argument("--drivers", type=int, default=300_000)
    parser.add_argument("--windows", type=int, default=12, help="of 8 s with and without the deletion")
    parser.add_argument("--erase", type=int, default=5000, help="drivers to erase on demand before")
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="weelo-retention-") as name:
        folder = Path(name)
        # They write to disk, as those of `make run`.
        stores = Stores(Postgres(folder / "postgres"), Valkey(folder / "valkey"))
        with started(stores, SETTINGS):
            return run(wanted, stores, folder)


if __name__ == "__main__":
    sys.exit(main())
