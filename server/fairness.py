"""Fairness between requests: no client and no target of many requests delays the others."""

import re
from collections import deque
from typing import Any

import gevent  # type: ignore[import-untyped]
from gevent.event import Event  # type: ignore[import-untyped]

# Until the loop looks at its sockets again: the shortest time that makes it. With none at all a greenlet
# goes on before that.
NEXT_LOOK_SECONDS = 0.000_001
# A path with an id in it: the order or the trip that a request is about.
TARGET = re.compile(r"/[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?=/|$)")


class ClientTurns:
    """No client is served twice in a row while others wait.

    Reading what has arrived does not switch to other greenlets. So a client whose next request is there when
    the answer to the last one leaves would go on without end.
    """

    def __init__(self) -> None:
        self._last: Any = None

    def wait(self, client: Any) -> None:
        """Returns when the request that this client has sent may begin."""
        if client is self._last:
            gevent.sleep(NEXT_LOOK_SECONDS)
        self._last = client


class TargetTurns:
    """One request about the same order or trip begins in each turn of the loop.

    Three hundred drivers who accept one order at once take a third of a second to be read, looked up and
    answered. Requests about something else are served in between.
    """

    def __init__(self) -> None:
        # The requests that wait, by target; a target has an entry only while requests for it begin.
        self._queues: dict[str, deque[Event]] = {}

    def wait(self, path: str) -> None:
        """Returns when a request for this path may begin."""
        match = TARGET.search(path)
        if match is None:
            return
        target = match.group()
        queue = self._queues.get(target)
        if queue is None:
            self._queues[target] = deque()
            gevent.spawn_later(NEXT_LOOK_SECONDS, self._release, target)
            return
        turn = Event()
        queue.append(turn)
        turn.wait()

    def _release(self, target: str) -> None:
        queue = self._queues[target]
        while queue:
            queue.popleft().set()
            gevent.sleep(NEXT_LOOK_SECONDS)
        del self._queues[target]
