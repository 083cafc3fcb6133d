"""One change of an order at a time in this process.

Whoever changes an order's trucks locks its row in Postgres. Hundreds who want a truck of the same order
wait here for that, where waiting costs nothing: each who waits inside Postgres holds one of the few
connections, and everybody else's orders wait for those.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from models import db
from models.errors import ServiceUnavailable

# As long as for a connection.
WAIT_SECONDS = db.POOL_TIMEOUT_SECONDS


@dataclass
class _Line:
    """Those who want to change one order; ``users`` counts who waits and who is at it."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


_lines: dict[str, _Line] = {}
# Guards the table above, for a moment only.
_guard = threading.Lock()


@contextmanager
def turn(order_id: str) -> Iterator[None]:
    """Waits until nobody else in this process is in a block for this order.

    Raises ``ServiceUnavailable`` after ``WAIT_SECONDS``.
    """
    with _guard:
        line = _lines.setdefault(order_id, _Line())
        line.users += 1
    try:
        if not line.turn.acquire(timeout=WAIT_SECONDS):
            raise ServiceUnavailable("Too many want this order at once. Try again in a moment.")
        try:
            yield
        finally:
            line.turn.release()
    finally:
        with _guard:
            line.users -= 1
            if not line.users:
                del _lines[order_id]
