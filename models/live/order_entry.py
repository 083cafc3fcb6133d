"""How an order begins: its key has no answer yet, its customer's lock is free, and this minute has room.

One script for all three, since every order asks, and one round trip for all that come together. Without
Redis there is none of them: the unique indexes in Postgres decide, and nobody is limited.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

import redis
import structlog

from models import live, settings
from models.live import idempotency, order_lock
from models.live.idempotency import Answer

log = structlog.get_logger()

WINDOW_SECONDS = 60


class Request(NamedTuple):
    """One that asks; ``order_id`` is the lock's token, ``key`` the idempotency key."""

    order_id: str
    customer_id: str
    key: str | None


class Turn(Enum):
    """Whether the lock is this request's now, or somebody else's."""

    ENTERED = auto()
    LOCKED = auto()


class Wait(NamedTuple):
    """In how many seconds the customer may begin another order."""

    seconds: int


def enter(requests: Sequence[Request]) -> list[Turn | Wait | Answer]:
    """What each request meets. Raises ``redis.RedisError``."""
    configured = settings.load()
    script = live.script("order_enter")
    lasts_ms, allowed = configured.order_lock_seconds * 1000, configured.orders_per_minute
    calls = [
        live.Call(script, _keys(one.customer_id, one.key), [one.order_id, lasts_ms, WINDOW_SECONDS, allowed])
        for one in requests
    ]
    return [_met(answer) for answer in live.run_all(calls)]


def _met(answer: str | int) -> Turn | Wait | Answer:
    if isinstance(answer, str):
        return idempotency.read(answer)
    if answer > 0:
        return Wait(answer)
    return Turn.LOCKED if answer else Turn.ENTERED


def leave(customer_id: str, order_id: str) -> None:
    """Undoes `enter` for an order that did not begin; left to run out without Redis."""
    try:
        if live.call("order_leave", _keys(customer_id), [order_id]):
            log.info("lock released", customer_id=customer_id)
    except redis.RedisError:
        log.warning("lock left to run out", customer_id=customer_id)


def _keys(customer_id: str, key: str | None = None) -> list[str]:
    keys = [order_lock.key(customer_id), f"orders:rate:{customer_id}"]
    return [*keys, idempotency.name(customer_id, key)] if key else keys
