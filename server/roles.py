"""Which of a web server's processes serves what, in memory that they share."""

import mmap
import time
from collections.abc import Iterable
from enum import IntEnum
from math import inf

# A process without a beat for this long is frozen or gone: others serve in its place.
SILENT_SECONDS = 1.0


class Role(IntEnum):
    """What a process serves. One that is alone serves everything."""

    EVERYTHING = 1
    NEW_ORDERS = 2
    ALL_BUT_NEW_ORDERS = 3


def next_role(processes: int, others: Iterable[Role]) -> Role:
    """The role of one more of ``processes`` when ``others`` are there already.

    Half of the processes take new orders (one less with an odd number), so that orders which arrive together
    meet in one process and are committed together.
    """
    if processes < 2:
        return Role.EVERYTHING
    there = list(others).count(Role.NEW_ORDERS)
    return Role.NEW_ORDERS if there < processes // 2 else Role.ALL_BUT_NEW_ORDERS


class Roles:
    """A row for each process: its role, its last beat (``time.monotonic``), and its lag (s)."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._heard = memoryview(mmap.mmap(-1, 8 * count)).cast("d")
        self._lags = memoryview(mmap.mmap(-1, 8 * count)).cast("d")
        self._roles = memoryview(mmap.mmap(-1, count))

    def take(self, slot: int, role: Role) -> None:
        """A process has begun to serve."""
        self._roles[slot] = role
        self.beat(slot, 0.0)

    def beat(self, slot: int, lag: float) -> None:
        """The process is alive, and its work is ``lag`` seconds late."""
        self._heard[slot], self._lags[slot] = time.monotonic(), lag

    def leave(self, slot: int) -> None:
        """The process has ended."""
        self._roles[slot] = 0

    def is_taken(self, role: Role) -> bool:
        """Whether a process has this role, however late or silent it is."""
        return role in self._roles

    def lag(self, role: Role) -> float:
        """How late the quickest process of this role is (s); infinite when none is alive."""
        since = time.monotonic() - SILENT_SECONDS
        rows = zip(self._roles, self._heard, self._lags, strict=True)
        return min((lag for taken, heard, lag in rows if taken == role and heard > since), default=inf)
