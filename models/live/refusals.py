"""How many new orders were refused for want of room lately, by all web processes: for operators to see."""

from typing import cast

from models import live

KEY = "orders:refused"
# Counted since there was last a pause of this length.
SECONDS = 60


def add(count: int) -> None:
    """Adds so many. Raises ``redis.RedisError``."""
    pipeline = live.commands().pipeline(transaction=False)
    pipeline.incrby(KEY, count)
    pipeline.expire(KEY, SECONDS)
    pipeline.execute()


def count() -> int:
    """How many since the last minute without any. Raises ``redis.RedisError``."""
    return int(cast("str | None", live.commands().get(KEY)) or 0)
