"""`make fuzz`: frames as wrong as can be against a real web process, and what that did to it.

Every connection sends a mixture of messages that are right, messages whose JSON is wrong in one
place, and at its end a frame that breaks the protocol; the seed draws the same ones again.
"""

import argparse
import secrets
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.fleet import Fleet
from tests.fuzz.run import Target, lines, run

PROCESSES = ("web1", "orders1", "sweeps1", "beat1")


def main() -> int:
    """Runs and prints; 1 if the process took harm."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--frames", type=int, default=100_000)
    wanted = parser.parse_args()
    say = partial(print, flush=True)
    directory = Path(tempfile.mkdtemp(prefix="weelo-fuzz-"))
    say(f"seed {wanted.seed}, logs in {directory}")
    fleet = Fleet(ROOT, directory)
    try:
        fleet.start(PROCESSES)
        target = Target(fleet.port("web1"), fleet.processes["web1"].pid, partial(fleet.log, "web1"))
        figures = run(target, wanted.seed, wanted.frames, say)
    finally:
        fleet.stop()
    say("\n".join(lines(figures)))
    if figures.problems:
        return 1
    fleet.forget()
    return 0


if __name__ == "__main__":
    sys.exit(main())
