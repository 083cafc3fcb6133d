"""How many reads a caller and an address have made in this minute, over all web processes.

A fixed window and not the moving one of orders: that keeps a list of every hit, and an exact edge is
worth nothing to a limit that is there for floods.
"""

from collections.abc import Mapping

from models import live

WINDOW_SECONDS = 60


def add(reads: Mapping[str, int], window: int) -> list[int]:
    """Adds reads to what each subject (``caller:…``, ``address:…``) has in this window.

    What each has then, in one round trip. ``window`` is the time in seconds, divided by
    WINDOW_SECONDS. Raises ``redis.RedisError``.
    """
    pipeline = live.commands().pipeline(transaction=False)
    for subject, number in reads.items():
        key = f"reads:rate:{subject}:{window}"
        pipeline.incrby(key, number)
        pipeline.expire(key, WINDOW_SECONDS)
    return [int(count) for count in pipeline.execute()[::2]]
