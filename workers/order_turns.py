"""Lets only a few requests of this process change the same order at a time.

A change of an order's trucks locks its row in Postgres. Hundreds of drivers who accept the same order queue
here, where it costs nothing: each one that queued in Postgres would hold one of its few connections, and the
requests about other orders would wait for those.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from models.errors import ServiceUnavailable

# While the first one commits, the second one waits for the row in Postgres and gets it without a pause.
AT_ONCE = 2
# Apps wait for an answer for so long. On a busy machine three hundred accepts take more than 5 s.
WAIT_SECONDS = 10.0


@dataclass
class _Queue:
    """The requests for one order; ``users`` counts those that wait and those that run."""

    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))
    users: int = 0


_queues: dict[str, _Queue] = {}
# Guards the table above, for a moment only.
_guard = threading.Lock()


@contextmanager
def turn(order_id: str) -> Iterator[None]:
    """Runs the block as soon as fewer than ``AT_ONCE`` others of this process run for this order.

    Raises ``ServiceUnavailable`` after ``WAIT_SECONDS``.
    """
    with _guard:
        queue = _queues.setdefault(order_id, _Queue())
        queue.users += 1
    try:
        if not queue.slots.acquire(timeout=WAIT_SECONDS):
            raise ServiceUnavailable("Too many want this order at once. Try again in a moment.")
        try:
            yield
        finally:
            queue.slots.release()
    finally:
        with _guard:
            queue.users -= 1
            if not queue.users:
                del _queues[order_id]
