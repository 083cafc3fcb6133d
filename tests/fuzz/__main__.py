"""`make fuzz`: frames as wrong as can be against a real web process, and what that did to it.

Every connection sends a mixture of messages drawn from `/asyncapi.json`: right ones, ones that break one
of its rules, ones with something odd in them; and at its end a frame that breaks the protocol. The seed
draws the same ones again.
"""

import sys
from functools import partial

from tests.faults import alone
from tests.faults.fleet import Fleet
from tests.fuzz.run import Target, lines, run


def work(fleet: Fleet, seed: int, frames: int, say: alone.Say) -> alone.Outcome:
    """Sends so many frames."""
    target = Target(fleet.port("web1"), fleet.processes["web1"].pid, partial(fleet.log, "web1"))
    figures = run(target, seed, frames, say)
    return alone.Outcome(lines(figures), figures.problems)


if __name__ == "__main__":
    sys.exit(alone.main("tests.fuzz", __doc__, "frames", 100_000, work))
