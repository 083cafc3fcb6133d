"""What the processes of one web server know of each other, in memory that they share."""

import mmap
from collections.abc import Iterable
from enum import IntEnum


class Role(IntEnum):
    """What a process is there for. One that is alone does both."""

    ANYTHING = 1
    HTTP = 2
    SOCKETS = 3


def next_role(processes: int, others: Iterable[Role]) -> Role:
    """The role of one more of ``processes``, of which ``others`` are there: half of them, or one less than
    that, are for HTTP, so that orders which come at once meet in one process and are placed together.
    """
    if processes < 2:
        return Role.ANYTHING
    return Role.HTTP if list(others).count(Role.HTTP) < processes // 2 else Role.SOCKETS


class Slots:
    """A row for each process: its role, and how many connections it has open."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._open = memoryview(mmap.mmap(-1, 8 * count)).cast("q")
        self._roles = memoryview(mmap.mmap(-1, count))

    def take(self, slot: int, role: Role) -> None:
        """A process is there, with nothing open."""
        self._open[slot] = 0
        self._roles[slot] = role

    def leave(self, slot: int) -> None:
        """Nobody is there any more."""
        self._roles[slot] = 0

    def count_open(self, slot: int, change: int) -> None:
        """So many connections more."""
        self._open[slot] += change

    def has(self, role: Role) -> bool:
        """Whether a process of this role is there."""
        return role in self._roles

    def is_busier(self, slot: int) -> bool:
        """Whether another process of the same role has fewer connections open."""
        role, mine = self._roles[slot], self._open[slot]
        return any(
            other == role and count < mine for other, count in zip(self._roles, self._open, strict=True)
        )
