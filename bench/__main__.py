"""`python -m bench`: the chosen cases on a system of its own; prints the table, writes JSON and plots."""

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

from bench import accepting, ceilings, charts, crowd, day, figures, growth, nearest, placing, ratios, recovery
from bench.course import Course
from bench.figures import Row
from bench.people import People
from bench.site import Site
from tests.conftest import ROOT

# No order of a round expires while it runs, and no second wave is sent (after 10 s).
TTL_SECONDS = 9
# What the product has by default; the replay wants it.
DAY_TTL_SECONDS = 60
CASES = "abcdefghi"


def run(course: Course, wanted: argparse.Namespace) -> list[Row]:
    """The ceilings and the chosen cases but the last, in the order of their letters."""
    rows = ceilings.all_of_them(course)

    def pace() -> float:
        return wanted.pace or placing.SHARE_OF_PEAK * placing.peak(course, rows)

    measures: dict[str, Callable[[], list[Row]]] = {
        "a": lambda: placing.rates(course, wanted.connections),
        "b": lambda: [placing.offers(course, pace())],
        "c": lambda: [placing.replays(course)],
        "d": lambda: [accepting.accepts(course)],
        "e": lambda: crowd.crowds(course, pace(), wanted.crowds),
        "f": lambda: nearest.searches(course, wanted.drivers),
        "h": lambda: [recovery.recovery(course, wanted.queued)],
        # Last, since it fills the tables.
        "g": lambda: growth.growth(course, wanted.past),
    }
    for letter, measure in measures.items():
        if letter in wanted.cases:
            rows += measure()
    return [*rows, *ratios.ratios(rows)]


def facts(course: Course, cases: str) -> dict[str, Any]:
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
def begun(wanted: argparse.Namespace, ttl_seconds: int, say: Callable[[str], None]) -> Iterator[Course]:
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
    with begun(wanted, TTL_SECONDS, say) as course:
        told = facts(course, wanted.cases)
        rows = run(course, wanted)
    if "i" in wanted.cases:
        recording = day.Recording(wanted.trips, wanted.pings, wanted.into)
        with begun(wanted, DAY_TTL_SECONDS, say) as course:
            rows += day.replayed(course, recording, wanted.speeds)
    return rows, told


def arguments() -> argparse.Namespace:
    """What the command line wants."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    add = parser.add_argument
    add("--cases", type=_cases, default="", help=f"letters of {CASES}, as in a,b (all that can be run)")
    add("--rounds", type=int, default=3, help="rounds of each line of the table (%(default)s)")
    add("--seconds", type=float, default=8, help="length of a round, 8 at most (%(default)s)")
    add("--connections", type=_numbers, default=placing.CONNECTIONS, help="levels of case a, as in 1,16")
    add("--pace", type=float, help="orders/s of case b, also beside case e (half the peak of case a)")
    add("--crowds", type=_numbers, default=crowd.LEVELS, help="levels of case e")
    add("--drivers", type=_numbers, default=nearest.SIZES, help="sizes of case f")
    add("--past", type=_numbers, default=growth.PAST, help="past orders of case g")
    add("--queued", type=int, default=recovery.QUEUED, help="orders of case h (%(default)s)")
    add("--trips", type=_file, help="recorded trips for case i")
    add("--pings", type=_file, help="recorded positions for case i")
    add("--speeds", type=_numbers, default=day.SPEEDS, help="how many times as fast case i goes")
    add("--without", nargs="*", default=[], choices=["flower"], help="processes to leave out")
    add("--into", type=Path, default=ROOT / ".run" / "bench", help="where files go (%(default)s)")
    wanted = parser.parse_args()
    recorded = bool(wanted.trips and wanted.pings)
    wanted.cases = wanted.cases or (CASES if recorded else CASES.replace("i", ""))
    if "i" in wanted.cases and not recorded:
        parser.error("case i wants recorded trips and positions: make bench TRIPS=file PINGS=file")
    if not 0.5 <= wanted.seconds < TTL_SECONDS or wanted.rounds < 1:
        parser.error(f"rounds: 1 or more; seconds: 0.5 to below {TTL_SECONDS}")
    return wanted


def main() -> int:
    """Runs, prints, writes ``bench.json`` and the plots."""
    wanted = arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # With 10,000 sockets a collection stops the client for 0.1 s, and what is due meanwhile is sent at once.
    gc.disable()
    began = time.monotonic()
    rows, told = bench(wanted, lambda text: print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True))
    print(figures.table(rows))
    wanted.into.mkdir(parents=True, exist_ok=True)
    figures.save(wanted.into / "bench.json", rows, told)
    plots = charts.draw(wanted.into, rows)
    print("\nwritten: " + ", ".join(str(path) for path in (wanted.into / "bench.json", *plots)))
    return 0


def _cases(text: str) -> str:
    letters = text.replace(",", "").replace(" ", "")
    if not letters or set(letters) - set(CASES):
        raise argparse.ArgumentTypeError(f"letters of {CASES}")
    return "".join(sorted(set(letters)))


def _file(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is no file")
    return path


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
