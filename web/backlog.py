"""Refuses new orders at once when more of them wait than can be answered in time.

Little's law: the last of N waiting orders is answered after N / (answers a second). So as many may wait as
were answered in a second when it went best lately; a machine that gets slower lets fewer wait. What is over
that is refused before any work is done for it, since an answer that comes after its client has given up costs
as much as one in time (Google's SRE book, chapters 21 and 22; Envoy's adaptive concurrency).
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

# Apps give up after a few seconds, and an answer takes longer than the wait alone.
QUEUE_SECONDS = 1.0
# So many may always wait: on an idle system nothing was answered lately. Four batches, which take a second on
# a slow machine.
ALWAYS = 128
# How far back "lately" goes: over a pause of a worker that is started again.
MEMORY_SECONDS = 10
# No outcome for so long: no worker answers. New orders are accepted then (202), and wait for a worker and not
# for each other.
SILENT_SECONDS = 1.0
# An outcome that has not come by then was lost; Postgres has it.
LOST_SECONDS = 10.0


# A customer, and the idempotency key if there is one.
Owner = tuple[str, str | None]


class Backlog:
    """The new orders of this process that are not answered yet, and how quickly they are answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begins anew: nobody waits, and nobody was answered."""
        # How many are not committed yet.
        self._waiting = 0
        # Those that are committed and that workers have heard of: when, and whose; oldest first.
        self._placing: dict[str, tuple[float, Owner]] = {}
        # Of all of them: a repeat of one is no further order.
        self._owners: Counter[Owner] = Counter()
        # Outcomes by the second in which they came.
        self._outcomes: Counter[int] = Counter()
        self._heard = 0.0

    @contextmanager
    def entered(self, owner: Owner) -> Iterator[None]:
        """For the time until the order is committed or refused."""
        with self._lock:
            self._waiting += 1
            self._owners[owner] += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                self._release(owner)

    def committed(self, order_id: str, owner: Owner) -> None:
        """A worker was asked to place this order."""
        now = time.monotonic()
        with self._lock:
            if not self._placing:
                # Nobody was silent while there was nothing to say.
                self._heard = now
            self._placing[order_id] = now, owner
            self._owners[owner] += 1

    def decided(self, order_ids: Iterable[str]) -> None:
        """A worker has said what became of these orders."""
        now = time.monotonic()
        second = int(now)
        with self._lock:
            self._heard = now
            for order_id in order_ids:
                self._outcomes[second] += 1
                if placing := self._placing.pop(order_id, None):
                    self._release(placing[1])
            for old in [one for one in self._outcomes if one < second - MEMORY_SECONDS]:
                del self._outcomes[old]

    def knows(self, owner: Owner) -> bool:
        """Whether an order of this customer under this key is on its way here already."""
        return owner[1] is not None and owner in self._owners

    def is_full(self) -> bool:
        """Whether one order more could not be answered in time."""
        now = time.monotonic()
        with self._lock:
            self._forget_lost(now)
            waiting = self._waiting
            if now - self._heard < SILENT_SECONDS:
                waiting += len(self._placing)
            return waiting >= self._limit(now)

    def _limit(self, now: float) -> int:
        lately = int(now) - MEMORY_SECONDS
        best = max((count for second, count in self._outcomes.items() if second >= lately), default=0)
        return max(ALWAYS, round(best * QUEUE_SECONDS))

    def _forget_lost(self, now: float) -> None:
        while self._placing:
            order_id, (since, owner) = next(iter(self._placing.items()))
            if now - since < LOST_SECONDS:
                return
            del self._placing[order_id]
            self._release(owner)

    def _release(self, owner: Owner) -> None:
        self._owners[owner] -= 1
        if not self._owners[owner]:
            del self._owners[owner]


backlog = Backlog()
