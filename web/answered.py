"""Answers that this process has repeated lately, by their keys: a client that retries asks again at once.

An answer under a key never changes, so it may be repeated from here for as long as Redis would keep it.
"""

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
    until: float


class Answered:
    """The answers last repeated, by customer and key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, customer_id: str, key: str) -> Admission | None:
        """The answer under this key, if this process has repeated it lately."""
        kept = self._kept.get((customer_id, key))
        return kept.admission if kept and time.monotonic() < kept.until else None

    def keep(self, customer_id: str, key: str, admission: Admission) -> None:
        """Keeps an answer that was just repeated."""
        if len(admission.answer or "") > LONGEST:
            return
        until = time.monotonic() + settings.load().idempotency_cache_seconds
        with self._lock:
            self._kept[customer_id, key] = _Kept(admission, until)
            self._kept.move_to_end((customer_id, key))
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)

    def forget(self) -> None:
        """Forgets all."""
        with self._lock:
            self._kept.clear()


_answered = Answered()
find = _answered.find
keep = _answered.keep
forget = _answered.forget
