"""Connections to Redis: given up at once when it fails, had and given back with little ceremony."""

import time
from typing import Any

import redis

# A healthy Redis answers in well under a millisecond; half a second is a frozen one, and every
# use fails open, so waiting longer only makes a customer wait.
COMMAND_TIMEOUT = 0.5
# After a failure nobody tries again for this long, so that one request meets one timeout, not six.
BREAK_SECONDS = 1.0


class Breaker:
    """Remembers that Redis has just failed, for all connections of this process."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._until

    def trip(self) -> None:
        self._until = time.monotonic() + BREAK_SECONDS

    def check(self) -> None:
        if self.is_open:
            raise redis.ConnectionError("Redis failed a moment ago; not tried again yet")


breaker = Breaker()


class BreakingConnection(redis.Connection):
    """A connection that fails at once while the breaker is open."""

    def connect(self) -> None:
        breaker.check()
        try:
            super().connect()  # type: ignore[no-untyped-call]
        except (redis.ConnectionError, redis.TimeoutError):
            breaker.trip()
            raise

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[no-untyped-call]
        except (redis.ConnectionError, redis.TimeoutError):
            breaker.trip()
            raise

    def read_unproven(self, **kwargs: Any) -> Any:
        """The same, where a closed connection may be no more than an old one."""
        return super().read_response(**kwargs)  # type: ignore[no-untyped-call]


class BreakingSSLConnection(BreakingConnection, redis.SSLConnection):
    """The same over TLS (`rediss://`)."""


class Pool(redis.ConnectionPool):
    """redis-py's pool with a short way: its own takes 10 us, most of them to count for OpenTelemetry."""

    def take(self, proven: bool = True) -> Any:
        """A connection that is ready to send. Raises ``redis.ConnectionError``, ``redis.TimeoutError``.

        ``proven``: it is looked at whether Redis has closed it meanwhile, which takes 2 us of 4.
        """
        self._checkpid()
        try:
            connection = self._available_connections.pop()
        except IndexError:
            connection = self.make_connection()
        try:
            connection.connect()
            if proven and _is_stale(connection):
                connection.disconnect()
                connection.connect()
        except BaseException:
            self.give_back(connection)
            raise
        return connection

    def give_back(self, connection: Any) -> None:
        """For the next one who takes it, unless it came along through a fork."""
        self._checkpid()
        if self.owns_connection(connection):
            self._available_connections.append(connection)


def _is_stale(connection: Any) -> bool:
    """Whether Redis has closed it, or an answer was left in it."""
    try:
        return bool(connection.can_read())
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        return True
