"""A beat that gets the signal to stop while Python drops exceptions, as in a finaliser."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from celery.apps.beat import Beat
from celery.beat import Scheduler, Service


class Dying:
    """Gone as soon as it is made."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def run_interrupted(app: Celery, scheduler_class: type[Scheduler]) -> int:
    """Runs beat with this scheduler until it stops; how often it looked. Raises ``AssertionError`` if it
    goes on after two looks.
    """
    looks = 0

    class Interrupted(scheduler_class):  # type: ignore[misc, valid-type]
        def tick(self, *args: Any, **options: Any) -> float:
            nonlocal looks
            looks += 1
            assert looks < 3, "it goes on"
            super().tick(*args, **options)
            Dying()
            return 0.01

    service = Service(app, scheduler_cls=Interrupted)
    with _handlers_kept():
        Beat(app=app).install_sync_handler(service)
        service.start()
    return looks


@contextmanager
def _handlers_kept() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
