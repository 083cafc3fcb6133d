"""Answers that this process has given lately, by their keys: a client that retries asks again at once.

An answer under a key never changes, so it may be repeated from here for as long as Redis would keep it.
And a body that comes again byte for byte needs not be read again to know that it is the same.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from flask import Response

from models import settings

# So many answers of so many bytes at most: 16 MB.
MOST = 2000
LONGEST = 8000


@dataclass(frozen=True, slots=True)
class Given:
    """One answer: the order that it names, its status and its whole content."""

    order_id: str
    status: int
    content: bytes
    to: bytes
    until: float


class Answered:
    """The answers last given, by customer and key."""

    def __init__(self) -> None:
        self._given: OrderedDict[tuple[str, str], Given] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, customer_id: str, key: str, body: bytes) -> Given | None:
        """The answer under this key, if this process has given it to the same bytes lately."""
        given = self._given.get((customer_id, key))
        if given is None or time.monotonic() >= given.until or given.to != _digest(body):
            return None
        return given

    def keep(self, customer_id: str, key: str, body: bytes, order_id: str, answer: Response) -> None:
        """Keeps what is on record as the answer to this body."""
        content = answer.get_data()
        if len(content) > LONGEST:
            return
        until = time.monotonic() + settings.load().idempotency_cache_seconds
        given = Given(order_id, answer.status_code, content, _digest(body), until)
        with self._lock:
            self._given[customer_id, key] = given
            self._given.move_to_end((customer_id, key))
            if len(self._given) > MOST:
                self._given.popitem(last=False)

    def forget(self) -> None:
        """Forgets all."""
        with self._lock:
            self._given.clear()


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


_answered = Answered()
find = _answered.find
keep = _answered.keep
forget = _answered.forget
