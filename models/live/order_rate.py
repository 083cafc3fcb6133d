"""How many orders a customer may begin in a minute."""

import time
from functools import lru_cache

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
    """How long until this customer may order again; 0 for now. Raises ``redis.RedisError``."""
    allowed = settings.load().orders_per_minute
    if not allowed:
        return 0
    limit = RateLimitItemPerMinute(allowed)
    if _limiter().test(limit, customer_id):
        return 0
    reset = _limiter().get_window_stats(limit, customer_id).reset_time
    return max(1, round(reset - time.time()))


def count(customer_id: str) -> None:
    """Counts an order that was admitted; one that was refused did not happen.

    Raises ``redis.RedisError``.
    """
    if allowed := settings.load().orders_per_minute:
        _limiter().hit(RateLimitItemPerMinute(allowed), customer_id)
