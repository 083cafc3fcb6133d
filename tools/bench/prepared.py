"""`python -m tools.bench.prepared`: what an order placed alone costs with and without prepared statements.

In turn in one process, on stores of its own, without web and Celery: the differences are too small to be seen
in the cost of a whole order.
"""

import argparse
import statistics
import time

from models import prepared
from tests import scenes
from tests.conftest import own_stores
from tools.bench import cpu

DRIVERS = 20
WARM_UP = 5


def measured(orders: int, postgres: int, customers: str) -> tuple[float, float]:
    """CPU-ms an order of Postgres and of this thread."""
    for number in range(WARM_UP):
        scenes.placed(f"{customers}-first-{number}")
    before, begun = cpu.seconds({"postgres": [postgres]}), time.thread_time()
    for number in range(orders):
        scenes.placed(f"{customers}-{number}")
    ours = time.thread_time() - begun
    theirs = cpu.since(before, cpu.seconds({"postgres": [postgres]}))["postgres"]
    return 1000 * theirs / orders, 1000 * ours / orders


def main() -> None:
    """Measures and prints a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.prepared", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--orders", type=int, default=60, help="of each round (%(default)s)")
    wanted = parser.parse_args()
    found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    with own_stores("weelo-prepared-") as stores:
        assert stores.postgres.pid
        for number in range(DRIVERS):
            scenes.driver(f"driver-{number}", 0.1 * number)
        for turn in range(2 * wanted.rounds):
            prepared._Process.prepares = prepares = turn % 2 == 0
            found[prepares].append(measured(wanted.orders, stores.postgres.pid, f"customer-{turn}"))
    for prepares, rounds in found.items():
        for part, values in zip(("Postgres", "worker"), zip(*rounds, strict=True), strict=True):
            name = f"{'prepared' if prepares else 'plain'}, {part}"
            median, least, most = statistics.median(values), min(values), max(values)
            print(f"{name:20} {median:.1f} CPU-ms an order ({least:.1f}-{most:.1f})")


if __name__ == "__main__":
    main()
