"""Work that many requests of a process want done at once, done together by one of them."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# More at once would make the first of them wait for the last.
MOST = 50
# Those who have been answered come again soon, if at all: each in his turn, and no longer than all of
# them together.
GATHER_SECONDS_EACH = 0.0015
GATHER_SECONDS = 0.02
# When nobody has come for so long, nobody comes back at once.
LULL_SECONDS = 0.003
# So often in a row it is tried in vain before it is tried less often.
PATIENCE = 3
LONGEST_REST = 64


@dataclass
class _Entry(Generic[Item, Result]):
    item: Item
    result: Result | None = None
    error: Exception | None = None
    done: bool = False
    # Rings when the result is there, or when it is this one's turn to run what has gathered.
    bell: threading.Event = field(default_factory=threading.Event)


class Combiner(Generic[Item, Result]):
    """Runs what has gathered while the run before was on; who comes alone is run at once.

    ``together`` takes the items and returns a result for each; what it raises is raised for all of them.

    ``landed``, if there is one, takes the results once they are given out and holds the next run back until
    it returns: the more there is to do, the more is done together. After a run in company the next one also
    waits, for a moment only, until as many have come as there were, or until they stop coming; else those
    who are answered at once and come back at once would go on in two halves. Where they do not come back
    that is tried ever less.
    """

    def __init__(
        self,
        together: Callable[[Sequence[Item]], Sequence[Result]],
        landed: Callable[[Sequence[Result]], None] | None = None,
    ) -> None:
        self._together = together
        self._landed = landed
        self._guard = threading.Lock()
        self._waiting: list[_Entry[Item, Result]] = []
        self._running = False
        # How many there were at the last landing, and until when as many are awaited.
        self._company, self._gather_until = 0, 0.0
        # Rings when somebody has come.
        self._came = threading.Event()
        # How often in a row as many were awaited in vain, and after how many runs nobody is awaited.
        self._vain = self._resting = 0

    def run(self, item: Item) -> Result:
        """The result for this item."""
        entry = _Entry[Item, Result](item)
        with self._guard:
            self._waiting.append(entry)
            first, self._running = not self._running, True
            self._came.set()
        if not first:
            entry.bell.wait()
        if not entry.done:
            self._take_turn()
        if entry.error is not None:
            raise entry.error
        return entry.result  # type: ignore[return-value]

    def _take_turn(self) -> None:
        try:
            self._gather()
            self._run_some()
        finally:
            self._hand_over()

    def _gather(self) -> None:
        # Those who are there already say nothing about who comes when awaited.
        if self._gather_until <= time.monotonic() or self._are_here():
            return
        self._vain = 0 if self._come_together() else self._vain + 1
        self._resting = min(2 ** (self._vain - PATIENCE), LONGEST_REST) if self._vain > PATIENCE else 0

    def _are_here(self) -> bool:
        with self._guard:
            self._came.clear()
            return len(self._waiting) >= self._company

    def _come_together(self) -> bool:
        while True:
            if self._are_here():
                return True
            left = self._gather_until - time.monotonic()
            if left <= 0 or not self._came.wait(min(left, LULL_SECONDS)):
                return False

    def _run_some(self) -> None:
        with self._guard:
            some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        error: Exception | None = RuntimeError("the run was broken off")
        results: Sequence[Result] = ()
        try:
            results = self._together([entry.item for entry in some])
            for entry, result in zip(some, results, strict=True):
                entry.result = result
            error = None
        except Exception as raised:
            error = raised
        finally:
            for entry in some:
                entry.error, entry.done = error, True
                entry.bell.set()
        if self._landed and error is None:
            self._landed(results)
            with self._guard:
                self._expect_company(len(some) + len(self._waiting))

    def _expect_company(self, company: int) -> None:
        self._company, self._gather_until = min(company, MOST), 0.0
        if self._resting:
            self._resting -= 1
        elif company > 1:
            seconds = min(GATHER_SECONDS_EACH * self._company, GATHER_SECONDS)
            self._gather_until = time.monotonic() + seconds

    def _hand_over(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting[0].bell.set()
            else:
                self._running = False
