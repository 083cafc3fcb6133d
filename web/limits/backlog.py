"""Whether more new orders wait than can be answered in time; then the next ones are refused at once.

Little's law: the last of N waiting orders is answered after N / (answers a second). So as many may wait as
were answered in the best of the last seconds; on a machine that gets slower fewer may. A refusal costs no
work. An answer that comes after its client has given up costs as much as one in time (Google's SRE book,
chapters 21 and 22; Envoy's adaptive concurrency).
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

# Apps give up after a few seconds, and an answer takes longer than the wait alone.
QUEUE_SECONDS = 1.0
# This many may always wait, since an idle system has answered nothing lately: four batches, which take a
# second on a slow machine.
ALWAYS = 128
# Answers are counted over this many seconds, which bridges the restart of a worker.
MEMORY_SECONDS = 10
# After this long without an outcome no worker is running. New orders are then accepted (202): they wait for a
# worker and not for each other.
SILENT_SECONDS = 1.0
# An outcome that has not arrived by then was lost; Postgres has it.
LOST_SECONDS = 10.0


# A customer, and the idempotency key if there is one.
Owner = tuple[str, str | None]


class Backlog:
    """The new orders of this process that are not answered yet, and the rate at which they are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Starts again without any order."""
        # How many orders are not committed yet.
        self._waiting = 0
        # Those that are committed and enqueued, oldest first: when, and for which owner.
        self._placing: dict[str, tuple[float, Owner]] = {}
        # How many of them each owner has: a repeat of one is no new order.
        self._owners: Counter[Owner] = Counter()
        # How many outcomes arrived, by second.
        self._outcomes: Counter[int] = Counter()
        self._heard = 0.0

    @contextmanager
    def entered(self, owner: Owner) -> Iterator[None]:
        """Counts an order in the block, until it is committed or refused."""
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
        """This order was committed and enqueued."""
        now = time.monotonic()
        with self._lock:
            if not self._placing:
                # No worker was silent while there was nothing to place.
                self._heard = now
            self._placing[order_id] = now, owner
            self._owners[owner] += 1

    def decided(self, order_ids: Iterable[str]) -> None:
        """The outcomes of these orders have arrived."""
        now = time.monotonic()
        second = int(now)
        with self._lock:
            self._heard = now
            for order_id in order_ids:
                self._outcomes[second] += 1
                if placing := self._placing.pop(order_id, None):
                    self._release(placing[1])
            for old in [known for known in self._outcomes if known < second - MEMORY_SECONDS]:
                del self._outcomes[old]

    def knows(self, owner: Owner) -> bool:
        """Whether an order of this customer under this key is waiting here already."""
        return owner[1] is not None and owner in self._owners

    def is_full(self) -> bool:
        """Whether one more order could not be answered in time."""
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
