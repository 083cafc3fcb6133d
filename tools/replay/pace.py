"""Up to which speed the drivers' answers can keep pace with a recording.

Answers, waves and searches are real at any speed: at 120 times the speed an answer of four seconds is eight
minutes of the recording, and where drivers are scarce, these are the trips that nobody has time for.
"""

from bisect import bisect_left
from collections.abc import Sequence

from tools.replay.cabs import Cab
from tools.replay.driver import REACTION_S
from tools.replay.greedy import Shares, simulate
from tools.replay.reading import Trip

SPEEDS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 500, 1000)
# The slowest answer of a driver.
ANSWER_S = REACTION_S[1]


def fitting(trips: Sequence[Trip], cabs: Sequence[Cab], speed: float) -> float | None:
    """The highest of some speeds below this one at which answers cost no more than the tolerated share of
    the orders; None if they do not at this one either, or if no speed is low enough.
    """
    if _fits(trips, cabs, speed):
        return None
    slower = [lower for lower in SPEEDS if lower < speed]
    too_fast = bisect_left(slower, True, key=lambda lower: not _fits(trips, cabs, lower))
    return slower[too_fast - 1] if too_fast else None


def _fits(trips: Sequence[Trip], cabs: Sequence[Cab], speed: float) -> bool:
    greedy, answering = (simulate(trips, cabs, speed, answer_s) for answer_s in (0.0, ANSWER_S))
    return not Shares(len(trips), len(answering), len(greedy)).behind
