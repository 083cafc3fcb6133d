"""Orders as they are read by their customers, for 300 s, dropped on every change."""

from collections.abc import Sequence

from models import live, settings

# A reader that looked at Postgres before a change must not fill the cache after it: the change
# leaves this mark, which outlasts every statement (5 s), and a fill never overwrites.
DROPPED = "dropped"
DROPPED_SECONDS = 10


def _key(order_id: str) -> str:
    return f"order:{order_id}"


def read(order_id: str) -> str | None:
    """The JSON text stored for this order. Raises ``redis.RedisError`` without Redis."""
    stored = live.commands().get(_key(order_id))
    return None if stored in (None, DROPPED) else str(stored)


def fill(order_id: str, view: str) -> None:
    """Stores the JSON text unless the order has just changed."""
    live.commands().set(_key(order_id), view, ex=settings.load().order_cache_seconds, nx=True)


def drop(order_ids: Sequence[str]) -> None:
    """Forgets orders, for everybody who reads them from now on."""
    pipeline = live.commands().pipeline(transaction=False)
    for order_id in order_ids:
        pipeline.set(_key(order_id), DROPPED, ex=DROPPED_SECONDS)
    pipeline.execute()
