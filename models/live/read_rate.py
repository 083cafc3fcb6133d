"""How many requests a caller or an address has made in this minute, over all web processes.

A fixed window, and not the moving one of orders, which keeps a list of every hit: a limit that is there for
floods needs no exact edge.
"""

from collections.abc import Sequence

from models import live

WINDOW_SECONDS = 60


def add(subjects: Sequence[str], window: int) -> list[int]:
    """Counts one request for each subject (``caller:…``, ``address:…``) and returns how many each has.

    One round trip. ``window`` is the time in seconds, divided by WINDOW_SECONDS. Raises
    ``redis.RedisError``.
    """
    pipeline = live.commands().pipeline(transaction=False)
    for subject in subjects:
        key = f"reads:rate:{subject}:{window}"
        pipeline.incr(key)
        pipeline.expire(key, WINDOW_SECONDS)
    return [int(count) for count in pipeline.execute()[::2]]
