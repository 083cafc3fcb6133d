"""Celery, kombu and billiard without our patches: a test here fails when its patch is not needed any more."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from billiard import pool
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import schedule
from celery.worker.consumer import Consumer
from kombu.asynchronous import Hub
from kombu.connection import Connection
from kombu.transport.redis import Channel, Transport

from tasks.celery_patches import child_tracking
from tasks.celery_patches.broker import RETRY_SECONDS, FastReconnectConnection
from tests.interrupted import run_interrupted
from tools.local import ports


class Paused(Exception):
    """Carries the pause (s) before the next attempt."""


def pause_of(kind: type[Connection]) -> float:
    """How long a connection pauses after its first attempt."""

    def raise_pause(_: Exception, seconds: float) -> None:
        raise Paused(seconds)

    lost = kind(f"redis://127.0.0.1:{ports.free()}/0", transport_options={"socket_timeout": 1})
    with pytest.raises(Paused) as caught:
        lost.ensure_connection(errback=raise_pause)
    return float(caught.value.args[0])


def test_a_connection_without_the_patch_pauses_for_seconds() -> None:
    assert pause_of(Connection) >= 2
    assert pause_of(FastReconnectConnection) == RETRY_SECONDS


def test_a_closed_channel_without_the_patch_raises_what_nobody_expects() -> None:
    channel: Any = Channel.__new__(Channel)
    channel.connection = None
    with pytest.raises(AttributeError):
        channel._connparams()
    assert not issubclass(AttributeError, Transport.connection_errors)


def test_a_channel_without_the_patch_makes_a_client_for_each_command() -> None:
    channel: Any = Channel.__new__(Channel)
    channel.Client = redis.Redis
    channel._pool = redis.ConnectionPool()
    assert channel._create_client() is not channel._create_client()


def test_a_child_whose_end_was_seen_ends_a_worker_without_the_patch() -> None:
    hub: Any = Hub()
    with pytest.raises((TypeError, ValueError, AttributeError)):
        child_tracking.track_child_process(Mock(), SimpleNamespace(_sentinel_poll=None), hub)


def test_a_child_without_the_patch_waits_for_half_a_minute() -> None:
    assert pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT == 300


def scheduled() -> Celery:
    app = Celery("unpatched", broker="memory://", set_as_current=False)
    app.conf.beat_schedule = {"expire": {"task": "expire", "schedule": timedelta(seconds=0.1)}}
    return app


def test_beat_without_the_patch_wakes_up_early() -> None:
    scheduler: Any = Scheduler(scheduled(), lazy=True)
    assert scheduler.adjust(1.0) == pytest.approx(0.99)


def test_beat_without_the_patch_writes_a_traceback_for_each_sweep_while_the_broker_refuses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Scheduler, "send_task", Mock(side_effect=redis.ReadOnlyError("read only")))
    scheduler = Scheduler(scheduled(), lazy=True)
    entry = ScheduleEntry(name="expire", task="expire", schedule=schedule(1.0), app=scheduler.app)
    scheduler.apply_entry(entry)
    assert "Traceback" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_beat_without_the_patch_misses_a_signal_to_stop_that_python_drops() -> None:
    with pytest.raises(AssertionError, match="it goes on"):
        run_interrupted(scheduled(), Scheduler)


def test_a_consumer_without_the_patch_flushes_its_events_at_each_turn_of_its_loop() -> None:
    consumer: Any = Consumer.__new__(Consumer)
    consumer.hub, consumer._flush_events_promise = Mock(), Mock()
    consumer.on_send_event_buffered()
    consumer.hub.call_soon.assert_called_once_with(consumer._flush_events_promise)
