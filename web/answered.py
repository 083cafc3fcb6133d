"""Answers that this process has repeated lately, by their keys: a client that retries asks again at once.

An answer under a key never changes, so it may be repeated from here for as long as Redis would keep it.
And a body that comes again byte for byte needs not be read again to know that it is the same.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from models import settings
from workers.admitting import Admission

# So many answers of so many characters at most: 16 MB.
MOST = 2000
LONGEST = 8000


@dataclass(frozen=True, slots=True)
class _Kept:
    admission: Admission
    body: bytes
    until: float


class Answered:
    """The answers last repeated, by customer and key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, customer_id: str, key: str, body: bytes) -> Admission | None:
        """The answer under this key, if this process has repeated it to the same bytes lately."""
        kept = self._kept.get((customer_id, key))
        if kept is None or time.monotonic() >= kept.until or kept.body != _digest(body):
            return None
        return kept.admission

    def keep(self, customer_id: str, key: str, body: bytes, admission: Admission) -> None:
        """Keeps an answer that was just repeated to this body."""
        if len(admission.answer or "") > LONGEST:
            return
        until = time.monotonic() + settings.load().idempotency_cache_seconds
        with self._lock:
            self._kept[customer_id, key] = _Kept(admission, _digest(body), until)
            self._kept.move_to_end((customer_id, key))
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)

    def forget(self) -> None:
        """Forgets all."""
        with self._lock:
            self._kept.clear()


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


_answered = Answered()
find = _answered.find
keep = _answered.keep
forget = _answered.forget
