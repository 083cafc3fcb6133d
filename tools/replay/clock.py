"""The replay's clock: recorded time, running faster than the wall's."""

import asyncio
import time
from collections.abc import Callable


class Clock:
    """Maps recorded moments (seconds since 1970) to this process's monotonic time.

    The system's own times (a search of 60 s, a wave every 10 s) stay real; only what was recorded
    is compressed, ``speed`` times.
    """

    def __init__(self, begins: float, speed: float, wall: Callable[[], float] = time.monotonic) -> None:
        self.begins = begins
        self.speed = speed
        self.wall = wall
        self._started: float | None = None

    def start(self, after: float = 0.0) -> None:
        """Makes this instant, or that many real seconds later, the beginning of the recording."""
        self._started = self.wall() + after

    @property
    def elapsed(self) -> float:
        """Real seconds since the start; 0 as long as the clock stands."""
        return 0.0 if self._started is None else self.wall() - self._started

    def now(self) -> float:
        """The recorded moment that it is."""
        return self.begins + self.elapsed * self.speed

    def at(self, wall: float) -> float:
        """The recorded moment of a reading of the wall clock."""
        return self.now() + (wall - self.wall()) * self.speed

    def seconds_until(self, moment: float) -> float:
        """Real seconds until a recorded moment; negative when it is over."""
        return (moment - self.begins) / self.speed - self.elapsed

    def real(self, recorded_seconds: float) -> float:
        """How long a recorded duration takes here, in real seconds."""
        return recorded_seconds / self.speed

    async def until(self, moment: float) -> None:
        """Sleeps until a recorded moment."""
        await asyncio.sleep(max(0.0, self.seconds_until(moment)))
