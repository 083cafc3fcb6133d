"""The server's clock, seen from a device whose own clock may be wrong."""

import time
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

# A `Date` header is cut to the second; half of one is the middle of what it can mean.
DATE_HEADER_S = 0.5


class ServerClock:
    """Learns from the ``at`` of frames (or a ``Date`` header) and counts down to ``expiresAt``.

    Whatever tells the server's time has been on its way for a while, so every sample shows it too early:
    the latest one is the nearest. Time between samples is taken from the monotonic clock, which nobody
    sets. A countdown is long by the shortest way that was seen, some milliseconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset: float | None = None

    def note(self, at: str) -> None:
        """Takes the ``at`` of a frame that has just arrived. A repeated one only counts for less."""
        self._learn(datetime.fromisoformat(at).timestamp())

    def note_date(self, header: str) -> None:
        """Takes the ``Date`` header of an answer that has just arrived; good to half a second."""
        self._learn(parsedate_to_datetime(header).timestamp() + DATE_HEADER_S)

    def now(self) -> float:
        """Seconds since 1970 by the server's clock. Raises ``LookupError`` before the first sample."""
        if self._offset is None:
            raise LookupError("nothing has told the server's time yet")
        return self._monotonic() + self._offset

    def seconds_left(self, expires_at: str) -> float:
        """Until this moment of the server's; never below 0."""
        return max(0.0, datetime.fromisoformat(expires_at).timestamp() - self.now())

    def _learn(self, server_time: float) -> None:
        offset = server_time - self._monotonic()
        self._offset = offset if self._offset is None else max(self._offset, offset)
