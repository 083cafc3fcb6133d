"""The customer's lock while an order of theirs is created: fast refusal, never correctness.

The web process takes it with the order's id as token and the worker takes it over with the same
token; only the token's holder releases it.
"""

from redis.exceptions import LockError
from redis.lock import Lock

from models import live, settings


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
