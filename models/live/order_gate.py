"""The gate of new orders: the key has no answer, the customer's lock is free, the rate limit is kept.

One script checks all three, in one round trip for a batch of requests. Without Redis there is no gate: the
unique indexes in Postgres decide, and nobody is limited.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

import redis
import structlog

from models import live, settings
from models.live import idempotency, order_lock
from models.live.idempotency import CachedAnswer

log = structlog.get_logger()

WINDOW_SECONDS = 60


class Entrant(NamedTuple):
    """One request at the gate; ``order_id`` is the lock's token, ``key`` the idempotency key."""

    order_id: str
    customer_id: str
    key: str | None


class Gate(Enum):
    """Whether this request has acquired the lock, or another order of the customer holds it."""

    ACQUIRED = auto()
    LOCKED = auto()


class RateLimited(NamedTuple):
    """In how many seconds the customer may create another order."""

    seconds: int


def acquire(entrants: Sequence[Entrant]) -> list[Gate | RateLimited | CachedAnswer]:
    """The result for each request. Raises ``redis.RedisError``."""
    configured = settings.load()
    script = live.script("order_enter")
    lasts_ms, allowed = configured.order_lock_seconds * 1000, configured.orders_per_minute
    calls = [
        live.Call(
            script,
            _keys(entrant.customer_id, entrant.key),
            [entrant.order_id, lasts_ms, WINDOW_SECONDS, allowed],
        )
        for entrant in entrants
    ]
    return [_result(answer) for answer in live.run_all(calls)]


def _result(answer: str | int) -> Gate | RateLimited | CachedAnswer:
    if isinstance(answer, str):
        return idempotency.read(answer)
    if answer > 0:
        return RateLimited(answer)
    return Gate.LOCKED if answer else Gate.ACQUIRED


def undo(customer_id: str, order_id: str) -> None:
    """Undoes `acquire` for an order that was not admitted; without Redis the lock expires."""
    try:
        if live.call("order_leave", _keys(customer_id), [order_id]):
            log.info("lock released", customer_id=customer_id)
    except redis.RedisError:
        log.warning("lock left to expire", customer_id=customer_id)


def _keys(customer_id: str, key: str | None = None) -> list[str]:
    keys = [order_lock.key(customer_id), f"orders:rate:{customer_id}"]
    return [*keys, idempotency.name(customer_id, key)] if key else keys
