"""Twenty connected drivers who are asked for everything and take nothing."""

import time
from collections.abc import Sequence

from tools.bench.course import Course
from tools.bench.loop import Loop
from tools.bench.people import DRIVERS_KM
from tools.bench.sockets import ACK_SECONDS, Heard, connect

DRIVERS = 20
# A wave asks ten drivers for one truck.
WAVE = 10
POSITION_SECONDS = 5.0
INDEX_SECONDS = 30.0


class Crew:
    """Connected drivers of one subtype, all of them in the index when the constructor returns."""

    def __init__(self, course: Course, loop: Loop, subtype: str, count: int = DRIVERS) -> None:
        self.heard = Heard()
        self._loop, self._people = loop, course.people
        tokens = [self._people.token("driver", sub) for sub in self._people.register(subtype, count)]
        self._sockets = connect(loop, course.site.web_port, tokens, self.heard)
        self._places = [self._people.place(DRIVERS_KM) for _ in self._sockets]
        self.report(time.monotonic())
        until_indexed(course, loop, [subtype], count)

    def work(self, until: float) -> None:
        """Positions every 5 s and acknowledgements every second, as apps send them."""
        self._loop.every(POSITION_SECONDS, self.report, until)
        self._loop.every(ACK_SECONDS, self._acknowledge, until)

    def report(self, _: float) -> None:
        """Every driver sends a position."""
        for driver_socket, (latitude, longitude) in zip(self._sockets, self._places, strict=True):
            driver_socket.report(latitude, longitude)

    def leave(self) -> None:
        """Every driver closes the socket."""
        for driver_socket in self._sockets:
            driver_socket.close()

    def _acknowledge(self, _: float) -> None:
        for driver_socket in self._sockets:
            driver_socket.acknowledge()


def until_indexed(course: Course, loop: Loop, subtypes: Sequence[str], count: int) -> None:
    """Serves the loop until the index has so many drivers. Raises ``AssertionError`` after a while."""
    deadline = time.monotonic() + INDEX_SECONDS
    while course.people.indexed(*subtypes) < count:
        if time.monotonic() > deadline:
            raise AssertionError("the drivers did not get into the index")
        loop.run(time.monotonic() + 0.05)
