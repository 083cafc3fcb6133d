"""Task events for Flower: those of a tenth of a second go out together."""

import time
from typing import Any
from unittest.mock import Mock, call

import pytest

from tasks.celery_patches.event_buffer import BufferedEventsConsumer


def test_events_are_flushed_together_and_a_lost_timer_is_planned_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer: Any = BufferedEventsConsumer.__new__(BufferedEventsConsumer)
    consumer.hub, consumer._flush_events = Mock(), Mock()
    clock = Mock(return_value=100.0)
    monkeypatch.setattr(time, "monotonic", clock)
    for now in (100.0, 100.05, 100.9):
        clock.return_value = now
        consumer.on_send_event_buffered()
    assert consumer.hub.call_later.call_args_list == [call(0.1, consumer._flush)]
    clock.return_value = 101.1
    consumer.on_send_event_buffered()
    assert consumer.hub.call_later.call_count == 2, "the first timer is lost"
    consumer._flush()
    consumer.on_send_event_buffered()
    assert (consumer._flush_events.call_count, consumer.hub.call_later.call_count) == (1, 3)
