"""One thread, one epoll: the load client. It does as little as possible for each message, so that the
cores are left to the system under test; `os.times` tells what it took anyway.
"""

import heapq
import itertools
import select
import socket
import time
from collections.abc import Callable
from typing import Protocol

READ_BYTES = 262_144
# An idle system: how long a look may take (seconds).
IDLE_SECONDS = 0.05


class Handler(Protocol):
    """The owner of a socket in the loop."""

    sock: socket.socket

    def ready(self, now: float) -> None:
        """Something can be read. ``now`` is `time.monotonic`."""


class Loop:
    """Waits for sockets and for moments in time, and calls their owners."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._timers: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = itertools.count()

    def add(self, handler: Handler) -> None:
        """Reads this handler's socket from now on."""
        self._handlers[handler.sock.fileno()] = handler
        self._epoll.register(handler.sock.fileno(), select.EPOLLIN)

    def remove(self, handler: Handler) -> None:
        """Forgets and closes the handler's socket."""
        self._handlers.pop(handler.sock.fileno(), None)
        handler.sock.close()

    def at(self, moment: float, call: Callable[[float], None]) -> None:
        """Calls back at a moment of `time.monotonic`, a millisecond late at most if nothing else is due."""
        heapq.heappush(self._timers, (moment, next(self._numbers), call))

    def every(self, seconds: float, call: Callable[[float], None], until: float) -> None:
        """Calls back again and again up to a moment."""

        def turn(now: float) -> None:
            call(now)
            if now + seconds < until:
                self.at(now + seconds, turn)

        self.at(time.monotonic() + seconds, turn)

    def run(self, deadline: float, over: Callable[[], bool] = lambda: False) -> None:
        """Works until a moment of `time.monotonic`, or until ``over`` says so."""
        while (now := time.monotonic()) < deadline and not over():
            self._due(now)
            wait = min(deadline, self._timers[0][0] if self._timers else deadline) - time.monotonic()
            for fd, _ in self._epoll.poll(max(0.0, min(wait, IDLE_SECONDS))):
                handler = self._handlers.get(fd)
                if handler:
                    handler.ready(time.monotonic())
        # epoll waits in whole milliseconds, so the last moments may be over too.
        self._due(min(time.monotonic(), deadline))

    def close(self) -> None:
        """Closes every socket."""
        for handler in list(self._handlers.values()):
            self.remove(handler)
        self._epoll.close()

    def _due(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2](now)


def received(sock: socket.socket) -> bytes | None:
    """What has come; empty if the other side is gone, None if nothing is there."""
    try:
        return sock.recv(READ_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""
