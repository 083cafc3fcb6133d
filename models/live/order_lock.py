"""The customer's lock while an order of theirs is created: fast refusal, never correctness.

The web process takes it with the order's id as token and the worker takes it over with the same
token; only the token's holder releases it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from models import live, settings

log = structlog.get_logger()


def _lock(customer_id: str) -> Lock:
    lock: Lock = live.commands().lock(
        f"order:create:{customer_id}",
        timeout=settings.load().order_lock_seconds,
        blocking=False,
        thread_local=False,
    )
    return lock


def _held(customer_id: str, token: str) -> Lock:
    lock = _lock(customer_id)
    lock.local.token = token.encode()
    return lock


def take(customer_id: str, token: str) -> bool:
    """Takes the lock if nobody holds it. Raises ``redis.RedisError`` without Redis."""
    return bool(_lock(customer_id).acquire(token=token))


def take_over(customer_id: str, token: str) -> bool:
    """Renews the lock for the same token, or takes it if it ran out; false if another holds it."""
    try:
        return bool(_held(customer_id, token).reacquire())
    except LockError:
        return take(customer_id, token)


def release(customer_id: str, token: str) -> bool:
    """Releases the lock if this token still holds it; says whether it did."""
    try:
        _held(customer_id, token).release()
    except LockError:
        return False
    return True


@contextmanager
def held(customer_id: str, token: str) -> Iterator[bool]:
    """The lock for the time of the block, released in any case; false if another holds it.

    Without Redis it is as if it were ours: the unique indexes in Postgres decide.
    """
    try:
        ours = take_over(customer_id, token)
        log.info("lock taken" if ours else "lock refused", customer_id=customer_id)
    except RedisError:
        ours = True
    try:
        yield ours
    finally:
        give_up(customer_id, token)


def give_up(customer_id: str, token: str) -> None:
    """Releases the lock, or leaves it to run out without Redis."""
    try:
        if release(customer_id, token):
            log.info("lock released", customer_id=customer_id)
    except RedisError:
        log.warning("lock left to run out", customer_id=customer_id)
