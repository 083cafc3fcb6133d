"""Work that many requests of a process want done at once, done together by one of them."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# More at once would make the first of them wait for the last.
MOST = 50


@dataclass
class _Entry(Generic[Item, Result]):
    item: Item
    result: Result | None = None
    error: Exception | None = None
    done: bool = False


class Combiner(Generic[Item, Result]):
    """Runs what has gathered while the run before was on; nobody waits for anybody to come.

    ``together`` takes the items and returns a result for each; what it raises is raised for all of them.
    """

    def __init__(self, together: Callable[[Sequence[Item]], Sequence[Result]]) -> None:
        self._together = together
        self._turn = threading.Lock()
        self._waiting: list[_Entry[Item, Result]] = []

    def run(self, item: Item) -> Result:
        """The result for this item."""
        entry = _Entry[Item, Result](item)
        self._waiting.append(entry)
        while not entry.done:
            with self._turn:
                if not entry.done:
                    self._run_some()
        if entry.error is not None:
            raise entry.error
        return entry.result  # type: ignore[return-value]

    def _run_some(self) -> None:
        some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            results = self._together([entry.item for entry in some])
            for entry, result in zip(some, results, strict=True):
                entry.result = result
        except Exception as error:
            for entry in some:
                entry.error = error
        finally:
            for entry in some:
                entry.done = True
