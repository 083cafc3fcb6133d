"""The scheduler of the sweeps. Made for celery 5.7.0; no upstream issues known.

- `adjust`: Celery's scheduler wakes up 10 ms early and then polls until the time has come: 2.5 % of a core
  for four tasks a second. To report: `Scheduler.adjust` has no setting for its drift.
- `close`, `tick`: a signal to stop is an exception raised wherever beat is, and Python drops exceptions in
  finalizers. To report: `Beat.install_sync_handler` does not set `Service._is_shutdown`.
- `apply_entry`: a traceback for each sweep, 400 lines a second, while the broker refuses. To report: an
  expected `SchedulingError` is logged with its stack.
"""

from typing import Any

import redis
import structlog
from celery.beat import ScheduleEntry, Scheduler, SchedulingError

from models import alive_file
from models.live import queues

log = structlog.get_logger()

QUEUE = "sweeps"
# With so many waiting no worker takes them, and another one would not run any sooner.
MOST_WAITING = 100


class SweepScheduler(Scheduler):
    """Sleeps until a sweep is due, and sends none while the queue is full."""

    _closed = False

    def close(self) -> None:
        """Called by the signal handler; the next `tick` ends beat even if the exception was dropped."""
        super().close()
        self._closed = True

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        if _is_full():
            log.warning("sweep not sent; no worker takes them", sweep=entry.name)
            return
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            log.warning("sweep not sent", sweep=entry.name, error=type(error.__context__).__name__)

    def tick(self, *args: Any, **options: Any) -> Any:
        if self._closed:
            raise SystemExit
        alive_file.touch()
        return super().tick(*args, **options)

    def adjust(self, n: Any, drift: float = 0.0) -> Any:
        return super().adjust(n, drift)


def _is_full() -> bool:
    try:
        return queues.waiting(QUEUE) >= MOST_WAITING
    except redis.RedisError:
        # Sending the sweep shows whether the broker is away.
        return False
