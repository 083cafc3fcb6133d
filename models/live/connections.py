"""Connections to Redis that fail at once while it is away (a circuit breaker)."""

import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import MasterDownError
from redis.retry import Retry

from models.store_urls import RedisAddress

# A healthy Redis answers in well under a millisecond; half a second is a frozen one, and every
# use fails open, so waiting longer only makes a customer wait.
COMMAND_TIMEOUT = 0.5
# After a failure no call tries again for this long, so that one request meets one timeout, not six.
BREAK_SECONDS = 1.0
# Said by a Redis that is not the primary (any more): a new connection may lead to the one that is.
ELSEWHERE = (redis.ReadOnlyError, MasterDownError)


class Breaker:
    """Remembers that Redis has just failed, for all connections of this process."""

    def __init__(self) -> None:
        self._until = 0.0
        self._cause: Exception | None = None
        # Connections older than this are replaced.
        self.let_go_at = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._until

    def trip(self, cause: Exception | None = None) -> None:
        self._until, self._cause = time.monotonic() + BREAK_SECONDS, cause

    def reset(self) -> None:
        """Closes the breaker: the next command is tried."""
        self._until, self._cause = 0.0, None

    def let_go(self, cause: Exception) -> None:
        """Redis answers, but is not the primary: this connection and older ones are replaced."""
        self.trip(cause)
        self.let_go_at = time.monotonic()

    def check(self) -> None:
        if self.is_open:
            raise redis.ConnectionError("Redis failed a moment ago; not tried again yet") from self._cause


breaker = Breaker()


class BreakingConnection(redis.Connection):
    """A connection that fails at once while the breaker is open."""

    _made_at = 0.0

    def connect(self) -> None:
        breaker.check()
        if self._made_at <= breaker.let_go_at:
            self.disconnect()  # type: ignore[no-untyped-call]
            self._made_at = time.monotonic()
        try:
            super().connect()  # type: ignore[no-untyped-call]
        except (redis.ConnectionError, redis.TimeoutError) as error:
            breaker.trip(error)
            raise

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[no-untyped-call]
        except ELSEWHERE as error:
            breaker.let_go(error)
            raise
        except (redis.ConnectionError, redis.TimeoutError) as error:
            breaker.trip(error)
            raise


class BreakingSSLConnection(BreakingConnection, redis.SSLConnection):
    """The same over TLS (`rediss://`)."""


def client(address: RedisAddress, **options: Any) -> redis.Redis:
    """A client without the breaker: text in and out, no retries."""
    kind = redis.SSLConnection if address.tls else redis.Connection
    pool = redis.ConnectionPool(
        connection_class=kind,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        **(address.options | options),
    )
    return redis.Redis(connection_pool=pool)
