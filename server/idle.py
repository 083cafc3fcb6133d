"""Connections on which a client has asked nothing yet, or not again."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent  # type: ignore[import-untyped]

# A client that connected just before the stop may have its first request on the way. An idle one that was
# served before loses nothing by being closed at once.
FIRST_REQUEST_SECONDS = 1.0


class Idle:
    """Knows who waits, so that a process that leaves need not wait for them."""

    def __init__(self) -> None:
        self._served: set[Any] = set()
        self._new: set[Any] = set()
        self._closes_served = self._closes_new = False

    @contextmanager
    def waiting(self, client: Any, served: bool) -> Iterator[None]:
        """While the block reads from this client; ``served`` says whether it had an answer before."""
        if self._closes_served if served else self._closes_new:
            _end(client)
        those = self._served if served else self._new
        those.add(client)
        try:
            yield
        finally:
            those.discard(client)

    def leave(self) -> None:
        """Ends the waiting: at once of those who were served, a second later of the others."""
        self._closes_served = True
        for client in list(self._served):
            _end(client)
        gevent.spawn_later(FIRST_REQUEST_SECONDS, self._leave_new)

    def _leave_new(self) -> None:
        self._closes_new = True
        for client in list(self._new):
            _end(client)


def _end(client: Any) -> None:
    """A reader gets what has arrived already, or the end. By a second descriptor: gevent's `shutdown` of
    the first would throw an error at the reader, and what has arrived away.
    """
    with suppress(OSError), socket.socket(fileno=os.dup(client.fileno())) as same:
        same.shutdown(socket.SHUT_RD)
