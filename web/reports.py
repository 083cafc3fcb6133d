"""Drivers' positions on their way into the live index, some together: nobody waits for the outcome."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import structlog

from models import clock
from models.live.driver_index import Moved, Position
from tasks import drivers
from web import writers
from web.positions import positions
from workers import failing

log = structlog.get_logger()

# So long a position waits for others; where a truck was 0.1 s ago, it is.
TOGETHER_SECONDS = 0.02
# More at once would hold Redis up for longer than a millisecond.
MOST = 50

# Hears what became of a position. Must neither wait nor raise.
Told: TypeAlias = Callable[[Moved | Exception], None]


class Reports:
    """The first position that comes has those taken with it that come a moment later."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: list[tuple[str, Position, Told]] = []

    def take(self, driver_id: str, position: Position, told: Told) -> None:
        """Has a position taken; one that is sent before ``told`` was called may overtake it."""
        with self._guard:
            self._waiting.append((driver_id, position, told))
            first = len(self._waiting) == 1
        if first:
            writers.start(self._run)

    def _run(self) -> None:
        time.sleep(TOGETHER_SECONDS)
        with self._guard:
            gathered, self._waiting = self._waiting, []
        for start in range(0, len(gathered), MOST):
            some = gathered[start : start + MOST]
            for (_, _, told), outcome in zip(some, _outcomes(some), strict=True):
                told(outcome)


def _outcomes(some: list[tuple[str, Position, Told]]) -> Sequence[Moved | Exception]:
    reports = [(driver_id, position) for driver_id, position, _ in some]
    try:
        moves = drivers.report_positions(reports, clock.now_ms())
        positions.record_trips(reports, moves)
    except Exception as error:
        if len(some) == 1 or failing.store_away(error):
            return [error] * len(some)
        # One of them is at fault, and the others must not go without.
        middle = len(some) // 2
        return [*_outcomes(some[:middle]), *_outcomes(some[middle:])]
    return moves


_reports = Reports()
take = _reports.take
