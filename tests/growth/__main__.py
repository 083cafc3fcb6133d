"""`python -m tests.growth`: fills the tables, uses every route, frame and sweep of the running system, and
says what each statement in Postgres and each command in Redis took at most.

The first round warms caches and is not counted. Ends with 1 if anything is over its limit.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from tests.conftest import Stores, started
from tests.growth.filling import fill_index, fill_tables
from tests.growth.measuring import Measured, Watch
from tests.growth.using import use_everything
from tests.system import Person, System
from tools.local.stores import THROWAWAY_POSTGRES, THROWAWAY_VALKEY, Postgres, Valkey

WATCHED = {"shared_preload_libraries": "pg_stat_statements", "compute_query_id": "on"}
SETTINGS = {
    # All drivers of the tables are heard of once, before the measurement.
    "DRIVER_PRESENCE_SECONDS": "3600",
    "ORDERS_PER_MINUTE": "0",
}
ROUNDS = 4


@contextmanager
def site(directory: Path, shared_buffers: str) -> Iterator[Stores]:
    """A Postgres that counts what statements take, and a Valkey; this process uses them."""
    settings = THROWAWAY_POSTGRES | WATCHED | {"shared_buffers": shared_buffers}
    postgres = Postgres(directory / "postgres", settings)
    with started(Stores(postgres, Valkey(directory / "valkey", THROWAWAY_VALKEY)), SETTINGS) as both:
        yield both


def measure(wanted: argparse.Namespace) -> list[Measured]:
    """Fills, uses and measures; every part with its limit, the slowest first."""
    with (
        tempfile.TemporaryDirectory(prefix="weelo-growth-") as folder,
        site(Path(folder), wanted.buffers) as both,
    ):
        begun = time.monotonic()
        fill_tables(both.postgres.url, wanted.orders, wanted.offers, wanted.drivers)
        searchable = fill_index(wanted.drivers)
        print(f"filled in {time.monotonic() - begun:.0f} s; {searchable} drivers in the index", flush=True)
        logs = Path(folder) / "logs"
        logs.mkdir()
        system = System(both.environment | SETTINGS, logs)
        try:
            system.start()
            watch = Watch(both.postgres.url)
            for number in range(wanted.rounds):
                if number == 1:
                    watch.begin()
                use_everything(system.urls, number, watch)
            return watch.end()
        finally:
            Person.forget_all()
            system.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make growth", description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--offers", type=int, default=5, help="offers of each order")
    parser.add_argument("--drivers", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of use; the first is not counted")
    parser.add_argument("--usual", action="store_true", help="hold the limits against what is usual")
    parser.add_argument("--buffers", default="256MB", help="Postgres' shared_buffers")
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.getLogger("httpx").setLevel(logging.ERROR)
    found = measure(wanted)
    for measured in found[:40]:
        print(measured)
    over = [
        measured
        for measured in found
        if (0 < measured.limit_ms < measured.usual_ms if wanted.usual else measured.over)
    ]
    print(f"{len(found)} parts, {len(over)} over their limit")
    return bool(over)


if __name__ == "__main__":
    sys.exit(main())
