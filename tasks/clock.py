"""The clock of the sweeps: beat's scheduler, which sleeps until something is due."""

from typing import Any

from celery.beat import Scheduler


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

    def tick(self, *args: Any, **options: Any) -> Any:
        if self._closed:
            raise SystemExit
        return super().tick(*args, **options)

    def adjust(self, n: Any, drift: float = 0.0) -> Any:
        return super().adjust(n, drift)
