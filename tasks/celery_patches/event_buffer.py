"""A worker's consumer that publishes its task events, which Flower reads, ten times a second.

Celery publishes at each turn of its loop and waits for the answer, which is a tenth of the capacity
(docs/performance.md). Made for celery 5.7.0. No upstream issue known; to report: the consumer's flush of
buffered events has no interval.
"""

import time
from typing import Any

from celery.worker.consumer import Consumer

FLUSH_SECONDS = 0.1
# A new connection drops the timers of the old one, so a flush that is later than this is planned again.
LOST_SECONDS = 1.0


class BufferedEventsConsumer(Consumer):
    """Celery's consumer with that interval."""

    # Celery's own attributes, which its type stubs do not know.
    hub: Any
    _flush_events: Any

    _planned_at = 0.0

    def on_send_event_buffered(self) -> Any:
        now = time.monotonic()
        if self.hub and now > self._planned_at + LOST_SECONDS:
            self._planned_at = now
            self.hub.call_later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._planned_at = 0.0
        self._flush_events()
