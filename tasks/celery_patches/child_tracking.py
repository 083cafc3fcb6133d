"""Celery's pool of children, which survives that a child dies while the broker is away."""

from typing import Any

from celery.concurrency import asynpool

# The type stubs do not know its inner methods.
_POOL: Any = asynpool.AsynPool
_track = _POOL._track_child_process


def _track_who_lives(self: Any, child: Any, hub: Any) -> None:
    """Watches a child's end, unless it has been seen already.

    When a worker has found its broker again it watches all its children anew. Celery 5.7 has forgotten
    the handle of one whose end it saw and that it has not replaced yet, and the whole worker ends
    (``file descriptor is None``). The replacing is what is wanted, so it is done soon.
    """
    if getattr(child, "_sentinel_poll", child) is None:
        hub.call_soon(self.maintain_pool)
    else:
        _track(self, child, hub)


def survive() -> None:
    """Puts this in the place of Celery's."""
    _POOL._track_child_process = _track_who_lives
