"""Work that many requests of a process want done at once, done together by one of them."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# More at once would make the first of them wait for the last, and a core with them.
MOST = 32
# So many runs may be out at once.
RUNS_OUT = 2
# While a batch is in flight, the next one starts so much later: each batch has a cost of its own.
INTERVAL_SECONDS = 0.015


def never() -> bool:
    """Nobody has given up."""
    return False


@dataclass
class _Entry(Generic[Item, Result]):
    item: Item
    result: Result | None = None
    error: Exception | None = None
    done: bool = False
    # Whether whoever wanted this has given up; asked before a run.
    given_up: Callable[[], bool] = never
    # Rings when the result is there, or when it is this one's turn to run what has gathered.
    bell: threading.Event = field(default_factory=threading.Event)


class GivenUp(Exception):
    """Whoever wanted this has hung up before anything was done for it."""


class Combiner(Generic[Item, Result]):
    """Runs what has gathered while the runs before were on; who comes alone is run at once.

    ``together`` takes the items and returns a result for each; what it raises is raised for all of them.

    ``landed``, if there is one, takes the results once they are given out and returns when what they have
    begun is over: until then the run is out. The more there is to do, the more is done together, so the next
    run follows at an interval, and not while two are out.
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
        self._leading = False
        self._out = 0
        # When the last run began.
        self._begun = 0.0
        # Rings when somebody has come or a run has landed.
        self._news = threading.Event()

    def run(self, item: Item, first: bool = False, given_up: Callable[[], bool] = never) -> Result:
        """The result for this item, which goes before the others if it is to be ``first``.

        Raises ``GivenUp`` if ``given_up`` says so when its turn has come.
        """
        entry = _Entry[Item, Result](item, given_up=given_up)
        with self._guard:
            self._waiting.insert(0 if first else len(self._waiting), entry)
            first, self._leading = not self._leading, True
            self._news.set()
        if not first:
            entry.bell.wait()
        if not entry.done:
            self._lead(entry)
        if entry.error is not None:
            raise entry.error
        return entry.result  # type: ignore[return-value]

    def _lead(self, entry: _Entry[Item, Result]) -> None:
        try:
            self._gather()
            self._begun = time.monotonic()
            results = self._run_some()
        finally:
            self._hand_over(entry)
        if self._landed and results is not None:
            self._wait_until_landed(self._landed, results)

    def _gather(self) -> None:
        while True:
            with self._guard:
                self._news.clear()
                seconds = self._too_early(time.monotonic())
            if seconds <= 0:
                return
            self._news.wait(None if seconds == math.inf else seconds)

    def _too_early(self, now: float) -> float:
        """For how many seconds the next run has to wait unless there are news."""
        if self._out >= RUNS_OUT:
            return math.inf
        if self._out == 0 or len(self._waiting) >= MOST:
            return 0.0
        return self._begun + INTERVAL_SECONDS - now

    def _run_some(self) -> Sequence[Result] | None:
        with self._guard:
            some = self._next()
        if not some:
            return None
        error: Exception | None = RuntimeError("the run was broken off")
        results: Sequence[Result] | None = None
        try:
            results = self._together([entry.item for entry in some])
            for entry, result in zip(some, results, strict=True):
                entry.result = result
            error = None
        except Exception as raised:
            error = raised
            results = None
        finally:
            if self._landed and error is None:
                with self._guard:
                    self._out += 1
            for entry in some:
                entry.error, entry.done = error, True
                entry.bell.set()
        return results

    def _next(self) -> list[_Entry[Item, Result]]:
        """Those who are next, without those who have given up."""
        some: list[_Entry[Item, Result]] = []
        passed = 0
        for entry in self._waiting:
            if len(some) == MOST:
                break
            passed += 1
            if not entry.given_up():
                some.append(entry)
                continue
            entry.error, entry.done = GivenUp(), True
            entry.bell.set()
        del self._waiting[:passed]
        return some

    def _wait_until_landed(
        self, landed: Callable[[Sequence[Result]], None], results: Sequence[Result]
    ) -> None:
        try:
            landed(results)
        finally:
            with self._guard:
                self._out -= 1
                self._news.set()

    def _hand_over(self, leader: _Entry[Item, Result]) -> None:
        with self._guard:
            if not leader.done:
                # Broken off before the run.
                self._waiting.remove(leader)
            if self._waiting:
                self._waiting[0].bell.set()
            else:
                self._leading = False
