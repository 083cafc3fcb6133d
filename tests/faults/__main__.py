"""`python -m tests.faults --seed N --kills 1000 --orders 100000 --minutes 60`."""

import argparse
import secrets
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.fleet import Fleet
from tests.faults.run import SETTINGS, Plan, run
from tests.faults.table import lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="draws the same faults again"
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--customers", type=int, default=120)
    parser.add_argument("--tree", type=Path, default=ROOT, help="the code to run, this one by default")
    return parser.parse_args()


def main() -> int:
    """Runs and prints; 1 if a promise was broken."""
    wanted = _arguments()
    say = partial(print, flush=True)
    directory = Path(tempfile.mkdtemp(prefix="weelo-faults-"))
    say(f"seed {wanted.seed}, logs in {directory}")
    plan = Plan(wanted.seed, wanted.kills, wanted.orders, wanted.minutes * 60, wanted.customers, say=say)
    fleet = Fleet(wanted.tree.resolve(), directory, **SETTINGS)
    try:
        fleet.start()
        report = run(plan, fleet)
    finally:
        fleet.stop()
    say("\n".join(lines(report)))
    if not report.verdict.passed:
        say(f"\nlogs of every process, and the faults with their times: {directory}")
        return 1
    fleet.forget()
    return 0


if __name__ == "__main__":
    sys.exit(main())
