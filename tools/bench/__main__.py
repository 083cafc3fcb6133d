"""`python -m tools.bench`: the chosen cases on a system of its own; prints the table, writes JSON."""

import argparse
import gc
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tools.bench import accepting, crowd, day, figures, floors, growth, nearest, open_loop, rates, recovery
from tools.bench.course import Course
from tools.bench.figures import Row
from tools.bench.people import People
from tools.bench.site import Site

# What the product has by default; the replay wants it.
DAY_TTL_SECONDS = 60
DAY = "day"
# In the order in which they run; growth fills the tables, so it comes last.
CASES: dict[str, Callable[[Course, argparse.Namespace], list[Row]]] = {
    "idle": lambda course, _: rates.idle(course),
    "floors": lambda course, _: floors.floors(course),
    "cost": lambda course, wanted: rates.cost(course, wanted.rates),
    "capacity": lambda course, _: rates.capacity(course),
    "accepts": lambda course, _: accepting.accepts(course),
    "crowd": lambda course, wanted: crowd.crowds(course, levels=wanted.crowds),
    "nearest": lambda course, wanted: nearest.searches(course, wanted.drivers),
    "recovery": lambda course, wanted: recovery.recovery(course, wanted.queued),
    "growth": lambda course, wanted: growth.growth(course, wanted.past),
}


def facts(course: Course, cases: tuple[str, ...]) -> dict[str, Any]:
    """What a reader has to know of the run."""
    return {
        "cases": cases,
        "rounds": course.rounds,
        "seconds": course.seconds,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processes": list(course.site.names),
        "order_ttl_seconds": int(course.site.settings["ORDER_TTL_SECONDS"]),
        "niceness": os.nice(0),
        "load before": os.getloadavg()[0],
    }


@contextmanager
def started(wanted: argparse.Namespace, ttl_seconds: int, say: Callable[[str], None]) -> Iterator[Course]:
    """A system for the time of the block; its logs stay if anything fails."""
    directory = Path(tempfile.mkdtemp(prefix="weelo-bench-"))
    site = Site(directory, ttl_seconds, tuple(wanted.without))
    try:
        say("starting stores, web, workers and beat")
        site.begin()
        yield Course(site, People(site), wanted.rounds, wanted.seconds, say)
    except BaseException:
        say(f"logs in {directory}")
        raise
    finally:
        site.stop()
    site.forget()


def bench(wanted: argparse.Namespace, say: Callable[[str], None]) -> tuple[list[Row], dict[str, Any]]:
    """Starts the system, measures, and stops it; the rows, and the facts of the run."""
    rows: list[Row] = []
    with started(wanted, open_loop.TTL_SECONDS, say) as course:
        about = facts(course, wanted.cases)
        for case, measure in CASES.items():
            if case in wanted.cases:
                rows += measure(course, wanted)
    if DAY in wanted.cases:
        recording = day.Recording(wanted.trips, wanted.pings, wanted.into)
        with started(wanted, DAY_TTL_SECONDS, say) as course:
            rows += day.replayed(course, recording, wanted.speeds)
    return rows, about


def arguments() -> argparse.Namespace:
    """What the command line wants."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    add = parser.add_argument
    add("--cases", type=_cases, default=(), help=f"of {', '.join((*CASES, DAY))} (all that can be run)")
    add("--rounds", type=int, default=3, help="rounds of each line of the table (%(default)s)")
    add("--seconds", type=float, default=8, help="length of a round (%(default)s)")
    add("--rates", type=_numbers, default=rates.RATES, help="arrivals/s of the case cost, as in 50,100")
    add("--crowds", type=_numbers, default=crowd.LEVELS, help="numbers of drivers of the case crowd")
    add("--drivers", type=_numbers, default=nearest.SIZES, help="numbers of drivers of the case nearest")
    add("--past", type=_numbers, default=growth.PAST, help="past orders of the case growth")
    add("--queued", type=int, default=recovery.QUEUED, help="orders of the case recovery (%(default)s)")
    add("--trips", type=_file, help="recorded trips for the case day")
    add("--pings", type=_file, help="recorded positions for the case day")
    add("--speeds", type=_numbers, default=day.SPEEDS, help="how many times as fast the case day goes")
    add("--without", nargs="*", default=[], choices=["flower"], help="processes to leave out")
    add("--into", type=Path, default=ROOT / ".run" / "bench", help="where files go (%(default)s)")
    wanted = parser.parse_args()
    recorded = bool(wanted.trips and wanted.pings)
    wanted.cases = wanted.cases or (*CASES, *([DAY] if recorded else []))
    if DAY in wanted.cases and not recorded:
        parser.error("the case day wants recorded trips and positions: make bench TRIPS=file PINGS=file")
    if wanted.seconds < 0.5 or wanted.rounds < 1:
        parser.error("rounds: 1 or more; seconds: 0.5 or more")
    return wanted


def main() -> int:
    """Runs, prints, writes ``bench.json``."""
    wanted = arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # With 10,000 sockets a collection stops the client for 0.1 s, and what is due meanwhile is sent at once.
    gc.disable()
    began = time.monotonic()
    rows, about = bench(wanted, lambda text: print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True))
    print(figures.table(rows))
    wanted.into.mkdir(parents=True, exist_ok=True)
    figures.save(wanted.into / "bench.json", rows, about)
    print(f"\nwritten: {wanted.into / 'bench.json'}")
    return 0


def _cases(text: str) -> tuple[str, ...]:
    chosen = tuple(text.replace(" ", "").split(","))
    if unknown := set(chosen) - {*CASES, DAY}:
        raise argparse.ArgumentTypeError(
            f"{', '.join(sorted(unknown))}: not among {', '.join((*CASES, DAY))}"
        )
    return chosen


def _file(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is no file")
    return path


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
