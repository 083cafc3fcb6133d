"""A worker's consumer, which tells Flower of its tasks ten times a second."""

import time
from typing import Any

from celery.worker.consumer import Consumer

TELL_SECONDS = 0.1
# A connection that is made anew forgets what was to be done later.
FORGOTTEN_SECONDS = 1.0


class PatientConsumer(Consumer):
    """Celery's consumer; it publishes what it has gathered ten times a second and not at each event.

    The worker waits for the answer each time: with three events a task that was a third of what its
    parent process did, and as much for Flower to read.
    """

    # Celery's own, of which the type stubs know nothing.
    hub: Any
    _flush_events: Any

    _to_be_told = 0.0

    def on_send_event_buffered(self) -> Any:
        now = time.monotonic()
        if self.hub and now > self._to_be_told + FORGOTTEN_SECONDS:
            self._to_be_told = now
            self.hub.call_later(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._to_be_told = 0.0
        self._flush_events()
