"""`python -m tests.faults.endurance`: nothing dies, lines are cut, and nothing may grow.

The default is two hours of a busy city (2.4 orders a second, some ten times the busiest hours of the
recorded day) in ten minutes. Keys live for 300 s, so what is flat has to be flat from the middle on.
"""

import argparse
import secrets
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.fleet import Fleet
from tests.faults.meter import Figures, Meter
from tests.faults.run import PACE_SHARE, SETTINGS, Plan, run
from tests.faults.table import lines

# From the middle to the end a figure may grow by a tenth and by this much (MB, or a number).
SHARE = 1.1
SLACK = 4.0
CUT_SECONDS = 1.0
# What may fill up to its own end: a customer's mailbox keeps 200 messages (drivers acknowledge theirs),
# and the keys of 72 s (with these orders' 6 s), which are looked at when there are twice as many.
# And the drivers who are free, as many as there are.
ENDS = {
    "redis: longest stream": 200,
    "redis: longest hash": 800,
    "redis: longest zset": Plan.kinds * Plan.drivers_of_a_kind,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.endurance", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--orders", type=int, default=17_000)
    parser.add_argument("--minutes", type=float, default=10)
    return parser.parse_args()


def grown(samples: list[tuple[float, Figures]]) -> list[str]:
    """The figures that are not flat from the middle of the samples to the last."""
    middle, last = samples[len(samples) // 2][1], samples[-1][1]
    return [
        name
        for name, value in last.items()
        if value > max(SHARE * middle.get(name, value) + SLACK, ENDS.get(name, 0))
    ]


def table(samples: list[tuple[float, Figures]]) -> list[str]:
    """Every figure at the first, the middle and the last sample."""
    shown = [samples[0], samples[len(samples) // 2], samples[-1]]
    head = "".join(f"{seconds / 60:>10.1f} min" for seconds, _ in shown)
    bad = set(grown(samples))
    return [
        f"  {'':44}{head}",
        *(
            f"  {name:44}"
            + "".join(f"{figures.get(name, 0):>14.1f}" for _, figures in shown)
            + ("   grows" if name in bad else "")
            for name in shown[-1][1]
        ),
    ]


def main() -> int:
    """Runs and prints; 1 if something grew, leaked or broke a promise."""
    wanted = _arguments()
    say = partial(print, flush=True)
    directory = Path(tempfile.mkdtemp(prefix="weelo-endurance-"))
    seconds = wanted.minutes * 60 / PACE_SHARE
    plan = Plan(wanted.seed, 0, wanted.orders, seconds, cut_every_seconds=CUT_SECONDS, say=say)
    fleet = Fleet(ROOT, directory, **SETTINGS)
    meter = Meter(fleet)
    try:
        fleet.start()
        meter.start()
        report = run(plan, fleet)
        meter.end()
    finally:
        fleet.stop()
    say("\n".join([*table(meter.samples), "", *lines(report)]))
    leaks = grown(meter.samples)
    if leaks or not report.verdict.passed:
        say(f"\nnot flat: {', '.join(leaks) or 'nothing'}; logs in {directory}")
        return 1
    say("\nflat: memory, threads, files, connections, keys")
    fleet.forget()
    return 0


if __name__ == "__main__":
    sys.exit(main())
