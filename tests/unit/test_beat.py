"""Beat's clock: everything in its time, and asleep between."""

import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery import Celery
from celery.beat import ScheduleEntry

from tasks.celery_patches import beat
from tasks.celery_patches.beat import SweepScheduler
from tests.interrupted import run_interrupted


class Counting(SweepScheduler):
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


def test_a_broker_that_refuses_costs_a_line_a_sweep_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise redis.ReadOnlyError("You can't write against a read only replica.")

    monkeypatch.setattr(SweepScheduler, "send_task", refuse)
    # Another test of this process may have bound the logger to its own output.
    monkeypatch.setattr(beat, "log", SimpleNamespace(warning=lambda event, **_: print(event)))
    app = Celery("clock", broker="memory://", set_as_current=False)
    app.conf.beat_schedule = {"expire": {"task": "expire", "schedule": timedelta(seconds=0.1)}}
    monkeypatch.setattr("tasks.celery_patches.beat._is_full", lambda: False)
    clock = SweepScheduler(app, lazy=True)
    clock.setup_schedule()
    until = time.monotonic() + 0.35
    while time.monotonic() < until:
        time.sleep(max(0.0, min(0.1, clock.tick())))
    told = "".join(capsys.readouterr())
    assert "sweep not sent" in told
    assert "Traceback" not in told
    assert len(told.splitlines()) <= 6


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_to_stop_that_python_drops_ends_it_at_its_next_look() -> None:
    app = Celery("clock", broker="memory://", set_as_current=False)
    assert run_interrupted(app, SweepScheduler) == 2
