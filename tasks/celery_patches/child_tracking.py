"""Child processes that end while the broker is away, or at a stop. Made for celery 5.7.0, billiard 4.3.2.

- `_track_running`: a worker that has reconnected watches all its children again. For one whose end it has
  seen and that is not replaced yet, the handle is ``None`` and the whole worker ends.
  Upstream: celery/celery#9250 (the same crash for other handles), open.
- `RESULT_TRIES`: a child that is to stop waits up to 30 s for its parent to read its results, because
  billiard miscounts them at about one stop in twenty. No upstream issue known; to report: the count of
  results sent and read differs after a warm shutdown.
"""

from typing import Any

from billiard import pool
from celery.concurrency import asynpool

# Looks of 0.1 s, instead of 300: the launcher waits 3 s. A result is never needed, since a task that is not
# acknowledged is delivered again.
RESULT_TRIES = 5

# The type stubs do not know its inner methods.
_POOL: Any = asynpool.AsynPool
track_child_process: Any = _POOL._track_child_process


def _track_running(self: Any, child: Any, hub: Any) -> None:
    """Watches for the end of a child; replaces it soon if that end has been seen already."""
    if getattr(child, "_sentinel_poll", child) is None:
        hub.call_soon(self.maintain_pool)
    else:
        track_child_process(self, child, hub)


def patch_pool() -> None:
    """Replaces Celery's method; once, in the process that starts a worker."""
    _POOL._track_child_process = _track_running


def patch_child() -> None:
    """Shortens the wait of a child that stops; in each child."""
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = RESULT_TRIES
