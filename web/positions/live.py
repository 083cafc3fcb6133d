"""Writes drivers' positions to the live index in batches; no sender waits for the outcome."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import structlog

from models import clock
from models.live.driver_index import Moved, Position
from tasks import drivers
from web.positions.history import positions
from workers import failing

log = structlog.get_logger()

# How long a position waits for others of its batch. A position of 0.1 s ago is still right.
BATCH_SECONDS = 0.02
# More at once would block Redis for longer than a millisecond.
MAX_BATCH = 50

# Gets the outcome of a position. Must neither wait nor raise.
Callback: TypeAlias = Callable[[Moved | Exception], None]


class Reports:
    """The first position starts a batch; those of the next moment join it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: list[tuple[str, Position, Callback]] = []

    def publish(self, driver_id: str, position: Position, callback: Callback) -> None:
        """Publishes a position; one that is sent before ``callback`` was called may overtake it."""
        with self._guard:
            self._waiting.append((driver_id, position, callback))
            first = len(self._waiting) == 1
        if first:
            threading.Thread(target=self._run, name="positions", daemon=True).start()

    def _run(self) -> None:
        time.sleep(BATCH_SECONDS)
        with self._guard:
            gathered, self._waiting = self._waiting, []
        for start in range(0, len(gathered), MAX_BATCH):
            batch = gathered[start : start + MAX_BATCH]
            for (_, _, callback), outcome in zip(batch, _outcomes(batch), strict=True):
                callback(outcome)


def _outcomes(batch: list[tuple[str, Position, Callback]]) -> Sequence[Moved | Exception]:
    moved = [(driver_id, position) for driver_id, position, _ in batch]
    try:
        moves = drivers.report_positions(moved, clock.now_ms())
        positions.record_trips(moved, moves)
    except Exception as error:
        if len(batch) == 1 or failing.store_away(error):
            return [error] * len(batch)
        # One of them is at fault; the others must still be published.
        middle = len(batch) // 2
        return [*_outcomes(batch[:middle]), *_outcomes(batch[middle:])]
    return moves


reports = Reports()
