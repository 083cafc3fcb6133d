"""Live state in Redis: it may vanish at any moment and is rebuilt by itself.

THE KEY TABLE. Every key that this project writes to Redis, apart from Celery's own.

| key | type | TTL | written by | read by | rebuilt by | without Redis |
|---|---|---|---|---|---|---|
| `idempotency:{customer}:{key}` | string | 300 s | tasks.orders | order_entry | Postgres admission row | open: Postgres is asked |
| `order:create:{customer}` | string | 10 s | order_entry, workers.placing | the same | next order | open: unique indexes decide |
| `order:{id}` | string | 300 s | web.orders | web.orders | next read | open: Postgres is asked |
| `orders:rate:{customer}` | list | 60 s | order_entry | order_entry | next order | open: no limit |
| `reads:rate:{subject}:{minute}` | string | 60 s | read_rate | web.quotas | next read | open: no limit |
| `drivers:cells:{vehicle}` | zset | none: members leave with `drivers:seen` | driver_index | driver_index | next heartbeat | closed: no driver found, later waves try again |
| `drivers:positions:{vehicle}` | hash of packed doubles | none: members leave with `drivers:seen` | driver_index | driver_index | next heartbeat | as above |
| `drivers:seen` | zset | none: cleaned of silent drivers every 2 min | driver_index | driver_index | next heartbeat | as above |
| `driver:{id}` | hash | 900 s | driver_index | driver_index, web.drivers | Postgres driver row | open: Postgres is asked |
| `mailbox:{role}:{id}` | stream | 3600 s | mailbox | mailbox | open offers in Postgres at the next connect | closed: delivered by the outbox sweep |
| `mailbox:{role}:{id}:state` | hash | 3600 s | mailbox | mailbox | next message | as above |
| `alive:beat`, `alive:queue:{queue}` | string | 15 s | tasks | web.health, web.metrics | next beat or heartbeat | closed: `/ready` says 503 |

Channels (nothing is kept): `person:{role}:{id}` wakes the socket of a person, `web:{instance}`
wakes a request that waits for its order.
"""

import time
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.exceptions import NoScriptError
from redis.retry import Retry

from models import settings

LUA = Path(__file__).parent / "lua"

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


class BreakingSSLConnection(BreakingConnection, redis.SSLConnection):
    """The same over TLS (`rediss://`)."""


def _pool(url: str, **options: Any) -> redis.ConnectionPool:
    kind = BreakingSSLConnection if url.startswith("rediss://") else BreakingConnection
    return redis.ConnectionPool.from_url(
        url,
        connection_class=kind,
        decode_responses=True,
        socket_connect_timeout=COMMAND_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        **options,
    )


@lru_cache(maxsize=1)
def commands() -> redis.Redis:
    """The client for commands: text in and out, short timeouts, no retries.

    Raises ``redis.RedisError``; every caller says in the key table what it does then.
    """
    pool = _pool(settings.load().redis_url, socket_timeout=COMMAND_TIMEOUT)
    return redis.Redis(connection_pool=pool)


def subscriber() -> redis.Redis:
    """A client of its own for a subscription, which waits without a timeout of its own."""
    return redis.Redis.from_url(
        settings.load().redis_url,
        decode_responses=True,
        socket_connect_timeout=COMMAND_TIMEOUT,
        socket_timeout=None,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )


@cache
def script(name: str) -> Script:
    """The Lua script `lua/{name}.lua`, sent by its hash and loaded when Redis does not know it."""
    return commands().register_script((LUA / f"{name}.lua").read_text())


class Call(NamedTuple):
    """One run of a script: what redis-py's ``Script`` takes."""

    script: Script
    keys: Sequence[str]
    args: Sequence[str | int | float]


def run_all(calls: Sequence[Call]) -> list[Any]:
    """Runs scripts in one round trip, whatever each answers; raises the first error among them.

    (A pipeline of redis-py asks first, with a round trip of its own, whether Redis knows the scripts.)
    """
    if not calls:
        return []
    answers = _evaluate(calls)
    if unknown := [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]:
        for source in {calls[i].script.script for i in unknown}:
            commands().script_load(str(source))
        for i, answer in zip(unknown, _evaluate([calls[i] for i in unknown]), strict=True):
            answers[i] = answer
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _evaluate(calls: Sequence[Call]) -> list[Any]:
    """On a connection of the pool itself: redis-py's pipeline takes 40 us where this takes 30."""
    pool: Any = commands().connection_pool
    connection = pool.get_connection()
    try:
        evaluations = [("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args) for call in calls]
        connection.send_packed_command(connection.pack_commands(evaluations))
        return [_answer(connection) for _ in calls]
    except BaseException:
        connection.disconnect()  # answers that nobody has read must not meet the next question
        raise
    finally:
        pool.release(connection)


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error
