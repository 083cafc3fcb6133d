"""So many requests of one caller a second: those beyond wait their turn, before any work is done for them.

A limit for a minute lets a flood do its whole damage in the first seconds of it. Counted in each
process by itself, since what it guards is this process's one thread.
"""

import threading
import time

from models import settings
from models.errors import RateLimitExceeded
from web.auth import Caller

# An app that starts asks for several things at once.
BURST_SECONDS = 2.0
# Whoever is further behind than this is told so.
LONGEST_WAIT = 1.0
# Callers who are not behind are forgotten when there are this many.
MANY = 10_000


class Pace:
    """When the next request of each caller may run (the generic cell rate algorithm)."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def wait(self, caller: Caller) -> None:
        """Waits for the caller's turn. Raises ``RateLimitExceeded``."""
        if (rate := settings.load().requests_per_second) and (delay := self._delay(caller, rate)) > 0:
            time.sleep(delay)

    def _delay(self, caller: Caller, rate: int) -> float:
        person, now = (caller.role, caller.sub), time.monotonic()
        with self._lock:
            due = max(self._due.get(person, 0.0), now) + 1 / rate
            delay = due - now - BURST_SECONDS
            if delay > LONGEST_WAIT:
                raise RateLimitExceeded("Too many requests in a second.", {"retryAfter": 1})
            if len(self._due) > MANY:
                self._due = {one: at for one, at in self._due.items() if at > now}
            self._due[person] = due
        return delay


_pace = Pace()
wait = _pace.wait
