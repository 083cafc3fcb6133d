"""How many orders a customer may begin in a minute; without Redis there is no limit."""

import time
from contextlib import suppress
from functools import lru_cache

import redis
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from models import live, settings


@lru_cache(maxsize=1)
def _limiter() -> MovingWindowRateLimiter:
    pool = live.commands().connection_pool
    url = settings.load().redis_url
    return MovingWindowRateLimiter(RedisStorage(url, connection_pool=pool, key_prefix="orders:rate"))


def seconds_to_wait(customer_id: str) -> int:
    """How long until this customer may order again; 0 for now."""
    allowed = settings.load().orders_per_minute
    if not allowed:
        return 0
    limit = RateLimitItemPerMinute(allowed)
    try:
        if _limiter().test(limit, customer_id):
            return 0
        reset = _limiter().get_window_stats(limit, customer_id).reset_time
    except redis.RedisError:
        return 0
    return max(1, round(reset - time.time()))


def count(customer_id: str) -> None:
    """Counts an order that was admitted; one that was refused did not happen."""
    if allowed := settings.load().orders_per_minute:
        with suppress(redis.RedisError):
            _limiter().hit(RateLimitItemPerMinute(allowed), customer_id)
