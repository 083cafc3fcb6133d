"""Hundreds who come for the same thing are begun one after the other, and everybody else in between."""

import re
from collections import deque

import gevent  # type: ignore[import-untyped]
from gevent.event import Event  # type: ignore[import-untyped]

from server.turns import NEXT_LOOK_SECONDS

# A path with an id in it: the order or the trip that a request is about.
ABOUT = re.compile(r"/[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?=/|$)")


class Crowds:
    """Begins one request about the same thing in each turn of the loop.

    Three hundred drivers who accept one order at once take a third of a second to be read, looked up and
    answered. Whoever comes a moment later, for something else, does not wait for all of them.
    """

    def __init__(self) -> None:
        # By id, those who wait; there is none of a thing that nobody came for in this turn.
        self._lines: dict[str, deque[Event]] = {}

    def take(self, path: str) -> None:
        """Returns when a request for this path may begin."""
        found = ABOUT.search(path)
        if found is None:
            return
        about = found.group()
        line = self._lines.get(about)
        if line is None:
            self._lines[about] = deque()
            gevent.spawn_later(NEXT_LOOK_SECONDS, self._go_on, about)
            return
        turn = Event()
        line.append(turn)
        turn.wait()

    def _go_on(self, about: str) -> None:
        line = self._lines[about]
        while line:
            line.popleft().set()
            gevent.sleep(NEXT_LOOK_SECONDS)
        del self._lines[about]
