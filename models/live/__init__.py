"""Live state in Redis: it may be lost at any moment and is rebuilt.

THE KEY TABLE. Every key that this project writes to Redis, apart from Celery's own.

| key | type | TTL | written by | read by | rebuilt by | without Redis |
|---|---|---|---|---|---|---|
| `idempotency:{customer}:{key}` | string | 300 s | tasks.orders | order_gate | Postgres admission row | open: Postgres is asked |
| `order:create:{customer}` | string | 10 s | order_gate, workers.orders.placing | the same | next order | open: unique indexes decide |
| `order:{id}` | string | 300 s | web.routes.orders | web.routes.orders | next read | open: Postgres is asked |
| `orders:rate:{customer}` | list | 60 s | order_gate | order_gate | next order | open: no limit |
| `orders:refused` | string | 60 s | refusals | workers.reading.operators | next refusal | open: the console shows none |
| `reads:rate:{subject}:{minute}` | string | 60 s | read_rate | web.limits.quotas | next read | open: no limit |
| `drivers:where:{vehicle}` | zset | none: members leave with `drivers:heard` | driver_index | driver_search | next heartbeat | closed: no driver found, later waves try again |
| `drivers:heard` | zset | none: cleaned of silent drivers every 2 min | driver_index | driver_index | next heartbeat | as above |
| `drivers:vehicles` | hash | none: a vehicle leaves with the last member of its `drivers:where:` | driver_index | driver_index | next driver of that vehicle | as above |
| `driver:{id}` | hash | 900 s, a day while in `drivers:heard` | driver_index | driver_index, web.routes.drivers | Postgres driver row | open: Postgres is asked |
| `mailbox:{role}:{id}` | stream | 3600 s | mailbox | mailbox | open offers in Postgres at the next connect | closed: delivered by the outbox sweep |
| `mailbox:{role}:{id}:state` | hash | 3600 s | mailbox | mailbox | next message | as above |
| `sweep:began:{sweep}` | string | 0.5 s | tasks.sweeps | tasks.sweeps | next sweep | open: every run of a sweep works |
| `figures:{name}`, `figures:{name}:fresh` | string | 1,000 and 50 times as long as counting took, 7,200 s for `figures:ended:{minute}`, `figures:trucks:{minute}` and `figures:sample:{minute}` | figures | figures | next count | open: counted each time |
| `alive:ready` | string | 15 s | web.routes.health | nobody: it shows whether Redis takes writes | next `/ready` | closed: `/ready` says 503 |
| `watched:{role}:{id}` | stream | 600 s | web.http.watching | web.console.watched | calls and frames from now on | open: nothing is noted |
| `remaining:{order}:{vehicle}` | string | 5 s | tasks.remaining | the same | next accept | open: the count is not sent |
| `alive:beat`, `alive:queue:{queue}` | string | 15 s | tasks | web.routes.health, web.routes.metrics | next beat or heartbeat | closed: `/ready` says 503 |

Channels (nothing is kept): `person:{role}:{id}` wakes the socket of a person, `web:{instance}`
wakes a request that waits for its order, `person:watched` names a person whom a developer watches.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import redis
from redis.backoff import NoBackoff
from redis.client import NEVER_DECODE
from redis.commands.core import Script
from redis.exceptions import NoScriptError
from redis.retry import Retry

from models import settings
from models.live import connections

LUA = Path(__file__).parent / "lua"

COMMAND_TIMEOUT, BREAK_SECONDS = connections.COMMAND_TIMEOUT, connections.BREAK_SECONDS
breaker = connections.breaker


@lru_cache(maxsize=1)
def commands() -> redis.Redis:
    """The client for commands: text in and out, short timeouts, no retries.

    Raises ``redis.RedisError``; every caller says in the key table what it does then.
    """
    address = settings.load().redis
    pool = redis.ConnectionPool(
        **address.options,
        connection_class=connections.BreakingSSLConnection if address.tls else connections.BreakingConnection,
        decode_responses=True,
        socket_timeout=COMMAND_TIMEOUT,
        socket_connect_timeout=COMMAND_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    return redis.Redis(connection_pool=pool)


def subscriber() -> redis.Redis:
    """A client of its own for a subscription, which waits without a timeout of its own."""
    return connections.client(
        settings.load().redis,
        socket_connect_timeout=COMMAND_TIMEOUT,
        socket_timeout=None,
        socket_keepalive=True,
    )


@cache
def script(name: str) -> Script:
    """The Lua script `lua/{name}.lua`, sent by its hash and loaded when Redis does not know it."""
    return commands().register_script((LUA / f"{name}.lua").read_text())


def call(name: str, keys: Sequence[str], args: Sequence[bytes | str | int | float]) -> Any:
    """What a script answers. Raises ``redis.RedisError``."""
    return run_all([Call(script(name), keys, args)])[0]


class Call(NamedTuple):
    """One run of a script: what redis-py's ``Script`` takes."""

    script: Script
    keys: Sequence[str]
    args: Sequence[bytes | str | int | float]


# A command as it is sent.
Command: TypeAlias = Sequence[bytes | str | int | float]


def run_all(calls: Sequence[Call | Command], decode: bool = True) -> list[Any]:
    """Runs scripts and commands in one round trip; raises the first error among the answers.

    Without ``decode`` strings in the answers are bytes.
    """
    if not calls:
        return []
    answers = _send(calls, decode)
    unknown = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if unknown:
        # A pipeline of redis-py asks with a round trip of its own, each time, whether Redis knows its scripts.
        again = [calls[i] for i in unknown]
        for source in {call.script.script for call in again if isinstance(call, Call)}:
            commands().script_load(str(source))
        for i, answer in zip(unknown, _send(again, decode), strict=True):
            answers[i] = answer
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _send(calls: Sequence[Call | Command], decode: bool) -> list[Any]:
    pipeline = commands().pipeline(transaction=False)
    options = {} if decode else {NEVER_DECODE: True}
    for call in calls:
        pipeline.execute_command(*_command(call), **options)  # type: ignore[no-untyped-call]
    return pipeline.execute(raise_on_error=False)


def _command(call: Call | Command) -> Command:
    if isinstance(call, Call):
        return ("EVALSHA", str(call.script.sha), len(call.keys), *call.keys, *call.args)
    return call


class Pipeline:
    """Calls of several modules that go to Redis in one round trip, in the order in which they were added."""

    def __init__(self) -> None:
        self._calls: list[Call | Command] = []
        self._answers: list[Any] = []
        self._error: redis.RedisError | None = redis.ConnectionError("the pipeline was not executed")

    def add(self, calls: Sequence[Call | Command]) -> Callable[[], list[Any]]:
        """The result returns the answers to these calls after `execute`, or raises what that has raised."""
        first = len(self._calls)
        self._calls += calls

        def answers() -> list[Any]:
            if self._error:
                raise self._error
            return self._answers[first : first + len(calls)]

        return answers

    def execute(self, decode: bool = True) -> None:
        """Runs all calls as `run_all` does. Raises ``redis.RedisError``."""
        try:
            self._answers = run_all(self._calls, decode)
        except redis.RedisError as error:
            self._error = error
            raise
        self._error = None
