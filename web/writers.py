"""Threads for work that may wait, as many as wait at a time; a few that are idle are kept."""

import queue
import threading
from collections.abc import Callable

# Beyond that a thread that has nothing to do ends: each costs as much memory as a socket.
KEPT = 20


class Writers:
    """Starts work at once, whoever else may be stuck in theirs."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._work: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        # Threads that wait for work; each piece in the queue has taken one of them already.
        self._idle = 0

    def start(self, work: Callable[[], object]) -> None:
        """Has it done. It must not raise."""
        with self._guard:
            idle = self._idle > 0
            self._idle -= idle
        if idle:
            self._work.put(work)
        else:
            threading.Thread(target=self._run, args=[work], name="writer", daemon=True).start()

    def stop(self) -> None:
        """Ends the idle threads; the others go on and stay until the next stop."""
        with self._guard:
            idle, self._idle = self._idle, 0
        for _ in range(idle):
            self._work.put(None)

    def _run(self, work: Callable[[], object] | None) -> None:
        while work is not None:
            work()
            with self._guard:
                if self._idle >= KEPT:
                    return
                self._idle += 1
            work = self._work.get()


_writers = Writers()
start = _writers.start
stop = _writers.stop
