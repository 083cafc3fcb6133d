"""Orders that come at a fixed pace, whether the system keeps up or not."""

from collections import deque
from collections.abc import Callable

from bench.http import Connection, Record
from bench.loop import Loop

CONNECTIONS = 32


class Arrivals:
    """So many a second. One that finds every connection busy counts from when it was due."""

    def __init__(self, loop: Loop, port: int, record: Record, supply: Callable[[], bytes]) -> None:
        self._loop, self._supply = loop, supply
        self._waiting: deque[float] = deque()
        self._lines = deque(Connection(loop, port, record, self._free) for _ in range(CONNECTIONS))

    def schedule(self, begun: float, pace: float, count: int) -> None:
        """``count`` orders, ``pace`` of them a second."""
        for number in range(count):
            self._loop.at(begun + number / pace, self._due)

    def finish(self, deadline: float) -> None:
        """Serves the loop until everything that was due is answered."""
        self._loop.run(deadline, lambda: not self._waiting and not any(line.busy for line in self._lines))

    def close(self) -> None:
        """Closes the connections."""
        for line in self._lines:
            self._loop.remove(line)

    def _free(self, line: Connection, _: float) -> None:
        if self._waiting:
            line.send(self._supply(), self._waiting.popleft())

    def _due(self, now: float) -> None:
        self._waiting.append(now)
        for _ in range(len(self._lines)):
            self._lines.rotate(-1)
            if not self._lines[0].busy:
                self._free(self._lines[0], now)
                return
