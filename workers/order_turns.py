"""A few changes of an order at a time in this process.

Whoever changes an order's trucks locks its row in Postgres. Hundreds who want a truck of the same order
wait here for that, where waiting costs nothing: each who waits inside Postgres holds one of the few
connections, and everybody else's orders wait for those.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from models.errors import ServiceUnavailable

# While one commits, the next waits for the row in Postgres, and has it sooner than this process could begin.
AT_ONCE = 2
# Apps wait for an answer as long. On a machine busy with other things three hundred take more than five.
WAIT_SECONDS = 10.0


@dataclass
class _Line:
    """Those who want to change one order; ``users`` counts who waits and who is at it."""

    places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))
    users: int = 0


_lines: dict[str, _Line] = {}
# Guards the table above, for a moment only.
_guard = threading.Lock()


@contextmanager
def turn(order_id: str) -> Iterator[None]:
    """Waits until fewer than ``AT_ONCE`` others in this process are in a block for this order.

    Raises ``ServiceUnavailable`` after ``WAIT_SECONDS``.
    """
    with _guard:
        line = _lines.setdefault(order_id, _Line())
        line.users += 1
    try:
        if not line.places.acquire(timeout=WAIT_SECONDS):
            raise ServiceUnavailable("Too many want this order at once. Try again in a moment.")
        try:
            yield
        finally:
            line.places.release()
    finally:
        with _guard:
            line.users -= 1
            if not line.users:
                del _lines[order_id]
