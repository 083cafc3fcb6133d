"""How late this process is with its work. Every request and every response waits as long.

A thread (under gunicorn a greenlet) wakes up at fixed intervals and measures how late it is.
"""

import statistics
import threading
import time
from collections import deque

INTERVAL_SECONDS = 0.1
# A short pause (garbage, a disk) is no overload: more than half of the last looks have to be late. A look
# that is late by several intervals counts for each of them.
LOOKS = 7


class Lag:
    """Measured since its first use."""

    def __init__(self) -> None:
        self._looks = deque([0.0] * LOOKS, LOOKS)
        self._due = float("inf")
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def seconds(self) -> float:
        """The median of the last looks, with the one that is overdue now."""
        if self._thread is None:
            self._start()
        return statistics.median([*self._looks, *_looks(time.monotonic() - self._due)][-LOOKS:])

    def _start(self) -> None:
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lag", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._due = time.monotonic() + INTERVAL_SECONDS
            time.sleep(INTERVAL_SECONDS)
            # gevent runs timers before the callbacks that are ready: this waits for those too.
            time.sleep(0)
            late = time.monotonic() - self._due
            self._looks.extend(_looks(late) or [0.0])


def _looks(late: float) -> list[float]:
    """The values of a look that is this late (s); none before it is due."""
    return [late] * min(LOOKS, 1 + int(late / INTERVAL_SECONDS)) if late > 0 else []


lag = Lag()
