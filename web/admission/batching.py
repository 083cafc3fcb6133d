"""Group commit: executes what several requests submit at the same time as one batch."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()

# In a larger batch the first item would wait too long for the last.
MAX_BATCH = 32
# A batch costs as much as several orders, so the next one starts at least this long after it: at 100 orders/s
# two orders share a batch. An order that comes alone does not wait.
INTERVAL_SECONDS = 0.020
MAX_IN_FLIGHT = 2


def never() -> bool:
    """For an item that is never abandoned."""
    return False


class Abandoned(Exception):
    """The client hung up before its batch started; nothing was done for it."""


@dataclass(eq=False, kw_only=True)
class BatchItem:
    """One request's part of a batch.

    An ``urgent`` item goes before the others. ``is_abandoned`` is asked when the batch starts. ``error`` is
    what the execution raised, for all of the batch.
    """

    urgent: bool = False
    is_abandoned: Callable[[], bool] = never
    error: BaseException | None = None
    executed: threading.Event = field(default_factory=threading.Event)


Item = TypeVar("Item", bound=BatchItem)


class Batcher(Generic[Item]):
    """Executes items in batches.

    ``execute`` gets the items of a batch, and writes into them. The batch is in flight until ``on_finished``
    has returned. The next one starts after the interval or as soon as it is full; while two are in flight,
    not at all.
    """

    def __init__(
        self, execute: Callable[[Sequence[Item]], None], on_finished: Callable[[Sequence[Item]], None]
    ) -> None:
        self._execute, self._on_finished = execute, on_finished
        # Guards what follows; notified when an item is submitted.
        self._submitted = threading.Condition()
        self._waiting: list[Item] = []
        self._last_start = 0.0
        self._threads: list[threading.Thread] = []

    def submit(self, item: Item) -> None:
        """Returns when the batch of this item was executed. Raises its error, or ``Abandoned``."""
        with self._submitted:
            self._start_threads()
            self._waiting.insert(0 if item.urgent else len(self._waiting), item)
            self._submitted.notify()
        item.executed.wait()
        if item.error is not None:
            raise item.error

    def _start_threads(self) -> None:
        """One for each batch that may be in flight, started by the first item."""
        while len(self._threads) < MAX_IN_FLIGHT:
            thread = threading.Thread(target=self._work, name="batches", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        # A thread takes over the log context of the request that starts it.
        structlog.contextvars.unbind_contextvars("request_id", "order_id")
        while True:
            batch = self._next_batch()
            try:
                self._run(batch)
            # No other thread would take its place.
            except Exception:
                log.exception("batch failed")

    def _next_batch(self) -> list[Item]:
        with self._submitted:
            while (seconds := self._seconds_to_start()) > 0:
                self._submitted.wait(None if seconds == math.inf else seconds)
            batch = self._waiting[:MAX_BATCH]
            del self._waiting[:MAX_BATCH]
            self._last_start = time.monotonic()
            return batch

    def _seconds_to_start(self) -> float:
        if not self._waiting:
            return math.inf
        if len(self._waiting) >= MAX_BATCH:
            return 0.0
        return self._last_start + INTERVAL_SECONDS - time.monotonic()

    def _run(self, batch: Sequence[Item]) -> None:
        items: Sequence[Item] = ()
        try:
            for item in batch:
                item.error = Abandoned() if item.is_abandoned() else None
            items = [item for item in batch if item.error is None]
            if items:
                self._execute(items)
        # Every request of the batch must get the error, whatever it is.
        except BaseException as error:
            for item in batch:
                item.error = item.error or error
            items = ()
        finally:
            for item in batch:
                item.executed.set()
        if items:
            self._on_finished(items)
