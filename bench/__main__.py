"""`python -m bench`: the chosen cases on a system of its own; prints the table, writes JSON and plots."""

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import ceilings, charts, figures, placing
from bench.course import Course
from bench.figures import Row
from bench.people import People
from bench.site import NAMES, Site
from tests.conftest import ROOT

CASES = "abc"
# No order of a round expires while it runs, and no second wave is sent (after 10 s).
TTL_SECONDS = 9


def run(course: Course, cases: str, levels: tuple[int, ...] = placing.CONNECTIONS) -> list[Row]:
    """The ceilings and the chosen cases, in the order of their letters."""
    rows = ceilings.all_of_them(course)
    if "a" in cases or "b" in cases:
        rows += placing.rates(course, levels)
    if "b" in cases:
        rows.append(placing.offers(course, placing.SHARE_OF_PEAK * placing.peak(rows)))
    if "c" in cases:
        rows.append(placing.replays(course))
    return [*rows, *ceilings.ratios(rows)]


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


def bench(wanted: argparse.Namespace, say: Callable[[str], None]) -> tuple[list[Row], dict[str, Any]]:
    """Starts the system, measures, and stops it; its logs stay if anything fails."""
    directory = Path(tempfile.mkdtemp(prefix="weelo-bench-"))
    site = Site(directory, TTL_SECONDS, tuple(wanted.without))
    try:
        say("starting stores, web, workers and beat")
        site.begin()
        course = Course(site, People(site), wanted.rounds, wanted.seconds, say)
        told = facts(course, wanted.cases)
        rows = run(course, wanted.cases, tuple(wanted.connections))
    except BaseException:
        say(f"logs in {directory}")
        raise
    finally:
        site.stop()
    site.forget()
    return rows, told


def main() -> int:
    """Runs, prints, writes ``bench.json`` and the plots."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--cases", type=_cases, default=CASES, help=f"letters of {CASES}, as in a,b (all)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of each line of the table (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=8, help="length of a round, 8 at most (%(default)s)")
    parser.add_argument(
        "--connections", type=_numbers, default=placing.CONNECTIONS, help="levels of case a, as in 1,16"
    )
    parser.add_argument("--without", nargs="*", default=[], choices=[n for n in NAMES if n == "flower"])
    parser.add_argument(
        "--into", type=Path, default=ROOT / ".run" / "bench", help="where files go (%(default)s)"
    )
    wanted = parser.parse_args()
    if not 0.5 <= wanted.seconds < TTL_SECONDS or wanted.rounds < 1:
        parser.error(f"rounds: 1 or more; seconds: 0.5 to below {TTL_SECONDS}")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    begun = time.monotonic()
    rows, told = bench(wanted, lambda text: print(f"{time.monotonic() - begun:6.0f} s  {text}", flush=True))
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


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
