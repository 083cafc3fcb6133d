"""The clock of the sweeps: beat's scheduler, which sleeps until something is due."""

from typing import Any

import redis
import structlog
from celery.beat import ScheduleEntry, Scheduler, SchedulingError

from models.live import queues

log = structlog.get_logger()

QUEUE = "sweeps"
# More than this would be done no sooner: no worker takes them, and the queue must not grow without end.
MOST_WAITING = 100


class Clock(Scheduler):
    """Celery's own looks 10 ms early and then again and again until it is time, which took 2.5 % of a core
    for four sweeps a second; nobody minds a sweep that is half a millisecond late.

    A signal to stop is an exception that beat raises wherever it is, and Python drops what is raised in a
    finalizer. The signal closes the schedule too, so that beat ends at its next look.
    """

    _closed = False

    def close(self) -> None:
        super().close()
        self._closed = True

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        if _is_full():
            log.warning("sweep not sent; no worker takes them", sweep=entry.name)
            return
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            # Celery's own writes a traceback each time: 400 lines a second while the broker refuses.
            log.warning("sweep not sent", sweep=entry.name, error=type(error.__context__).__name__)

    def tick(self, *args: Any, **options: Any) -> Any:
        if self._closed:
            raise SystemExit
        return super().tick(*args, **options)

    def adjust(self, n: Any, drift: float = 0.0) -> Any:
        return super().adjust(n, drift)


def _is_full() -> bool:
    try:
        return queues.waiting(QUEUE) >= MOST_WAITING
    except redis.RedisError:
        # Sending it tells whether the broker is away.
        return False
