"""Requests of an open loop: they come when they are due, whether the system keeps up or not."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from random import Random

from tools.bench.http import Connection, Record
from tools.bench.loop import Loop

# More than are ever in flight at a rate that the system can serve.
CONNECTIONS = 64


def evenly(begun: float, rate: float, count: int) -> Iterator[float]:
    """``count`` moments, ``rate`` of them a second."""
    return (begun + number / rate for number in range(count))


def independent(random: Random, begun: float, rate: float, seconds: float) -> Iterator[float]:
    """Moments of a Poisson process: ``rate`` of them a second on average, each independent of the others."""
    moment = begun + random.expovariate(rate)
    while moment < begun + seconds:
        yield moment
        moment += random.expovariate(rate)


class Arrivals:
    """Sends each request at its moment; the time of one that finds every connection busy counts from then."""

    def __init__(self, loop: Loop, port: int, record: Record, supply: Callable[[], bytes]) -> None:
        self._loop, self._supply = loop, supply
        self._waiting: deque[float] = deque()
        # Used in turn: the server closes a connection that is idle for three seconds.
        self._connections = deque(Connection(loop, port, record, self._send_next) for _ in range(CONNECTIONS))

    def schedule(self, moments: Iterable[float]) -> None:
        """A request at each of these moments of `time.monotonic`."""
        for moment in moments:
            self._loop.at(moment, lambda now, due=moment: self._arrive(due, now))  # type: ignore[misc]

    def finish(self, deadline: float) -> None:
        """Serves the loop until everything that was due is answered."""
        self._loop.run(
            deadline,
            lambda: not self._waiting and not any(connection.busy for connection in self._connections),
        )

    def close(self) -> None:
        """Closes the connections."""
        for connection in self._connections:
            self._loop.remove(connection)

    def _send_next(self, connection: Connection, _: float) -> None:
        if self._waiting:
            connection.send(self._supply(), self._waiting.popleft())

    def _arrive(self, due: float, now: float) -> None:
        self._waiting.append(due)
        for _ in range(len(self._connections)):
            self._connections.rotate(-1)
            if not self._connections[0].busy:
                self._send_next(self._connections[0], now)
                return
