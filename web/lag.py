"""How far this process is behind with its own work: whoever waits for it waits in front of every door.

A thread (under gunicorn a greenlet) wakes up at fixed intervals. How late it is is how long a new connection,
or whoever has got an answer, waits to be served.
"""

import statistics
import threading
import time
from collections import deque

INTERVAL_SECONDS = 0.1
# A single pause (garbage, a disk) is no overload: of the last looks, half have to be late.
LOOKS = 5


class Lag:
    """Measured since its first use."""

    def __init__(self) -> None:
        self._looks = deque([0.0] * LOOKS, LOOKS)
        self._due = float("inf")
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def seconds(self) -> float:
        """The median of the last looks and of what is overdue now."""
        if self._thread is None:
            self._start()
        overdue = max(0.0, time.monotonic() - self._due)
        return statistics.median([*list(self._looks)[1:], max(overdue, self._looks[-1])])

    def _start(self) -> None:
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lag", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._due = time.monotonic() + INTERVAL_SECONDS
            time.sleep(INTERVAL_SECONDS)
            # Timers go before the line of those who are ready (gevent's callbacks): this is its end.
            time.sleep(0)
            self._looks.append(max(0.0, time.monotonic() - self._due))


lag = Lag()
