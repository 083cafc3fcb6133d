"""The time by Postgres' clock, for times that several hosts compare or a client is shown.

The clocks of two hosts may be half a minute apart: a position noted by one and searched for by another
would look silent, and an offer's countdown would be as wrong. All hosts go by the clock that gives orders
their `expires_at`.
"""

import threading
import time
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils import uuid7

from models import db

# How long one reading serves: clocks drift apart by microseconds in this time.
REFRESH_SECONDS = 5.0
# A reading that took longer says too little about when Postgres read its clock, unless it is the only one.
SLOW_SECONDS = 0.1

READ = text("SELECT extract(epoch FROM clock_timestamp())::float8")


class Clock:
    """Postgres' clock, carried on by this host's monotonic one between two readings."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Makes the next use read the clock again."""
        # What to add to the monotonic clock (s), and when its reading began.
        self._offset: float | None = None
        self._begun = -REFRESH_SECONDS

    def seconds(self) -> float:
        """Seconds since 1970. Without Postgres by the last reading, before the first by this host's clock."""
        monotonic = time.monotonic()
        if monotonic - self._begun >= REFRESH_SECONDS:
            self._begun = monotonic
            if self._offset is None:
                self._read()
            else:
                # The caller must not wait for a connection.
                threading.Thread(target=self._read, name="clock", daemon=True).start()
        return time.time() if self._offset is None else time.monotonic() + self._offset

    def _read(self) -> None:
        try:
            with db.statements() as connection:
                begun = time.monotonic()
                seconds = float(connection.execute(READ).scalar_one())
                ended = time.monotonic()
        except SQLAlchemyError:
            return
        if self._offset is None or ended - begun < SLOW_SECONDS:
            self._offset = seconds - (begun + ended) / 2


_clock = Clock()


def seconds() -> float:
    """Seconds since 1970 by Postgres' clock; by this host's until the first reading."""
    return _clock.seconds()


def forget() -> None:
    """Makes the next use read the clock again."""
    _clock.forget()


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(seconds() * 1000)


def now() -> datetime:
    """The same as a moment in UTC."""
    return datetime.fromtimestamp(seconds(), UTC)


def new_id() -> str:
    """A UUIDv7: lists by id are lists by time, whichever host made the ids."""
    return str(uuid7(nanoseconds=int(seconds() * 1_000_000_000)))
