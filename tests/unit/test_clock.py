"""Beat's clock: everything in its time, and asleep between."""

import time
from datetime import timedelta

from celery import Celery
from celery.beat import ScheduleEntry

from tasks.clock import Clock


class Counting(Clock):
    """Notes what is due instead of sending it."""

    def __init__(self, app: Celery) -> None:
        self.sent: list[str | None] = []
        super().__init__(app, lazy=True)
        self.setup_schedule()

    def apply_entry(self, entry: ScheduleEntry, producer: object = None) -> None:
        self.sent.append(entry.name)


def test_it_looks_when_something_is_due_and_not_before() -> None:
    app = Celery("clock", broker="memory://", set_as_current=False)
    app.conf.beat_schedule = {
        name: {"task": name, "schedule": timedelta(seconds=0.1)} for name in ("expire", "waves", "recover")
    }
    clock, looks, begun = Counting(app), 0, time.monotonic()
    while time.monotonic() - begun < 1.05:
        looks += 1
        time.sleep(max(0.0, clock.tick()))
    for name in ("expire", "waves", "recover"):
        assert 8 <= clock.sent.count(name) <= 11
    # Each time one look that sends, and one or two that find the next one not due yet.
    assert looks <= 4 * len(clock.sent)
