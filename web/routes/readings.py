"""Looks at several parts at once, each in a thread of its own: a frozen store answers after many seconds."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger()

# A scrape has to end within 2 s, however dead the stores are.
DEADLINE_SECONDS = 1.5
# A more frequent question gets the same answer again, since everybody may ask.
FRESH_SECONDS = 1.0

Found = TypeVar("Found")


class Reading(Generic[Found]):
    """One look at one part."""

    def __init__(self, part: str, read: Callable[[], Found]) -> None:
        self._part, self._read = part, read
        self._found: Found | None = None
        self._done = threading.Event()
        self._begun = time.monotonic()
        threading.Thread(target=self._run, name=f"read-{part}", daemon=True).start()

    @property
    def usable(self) -> bool:
        """Whether a question that begins now may take this one: it is under way or just done."""
        return not self._done.is_set() or time.monotonic() - self._begun < FRESH_SECONDS

    def wait(self, until: float) -> Found | None:
        """What was found, or ``None`` if there is nothing by then (on the monotonic clock)."""
        self._done.wait(max(0.0, until - time.monotonic()))
        return self._found

    def _run(self) -> None:
        try:
            self._found = self._read()
        except (redis.RedisError, SQLAlchemyError) as error:
            log.warning("no figures", part=self._part, error=type(error).__name__)
        except Exception:
            log.exception("no figures", part=self._part)
        finally:
            self._done.set()


class Readings(Generic[Found]):
    """At most one reading of each part is under way at a time."""

    def __init__(self, parts: Mapping[str, Callable[[], Found]]) -> None:
        self._parts = parts
        self._readings: dict[str, Reading[Found]] = {}
        self._lock = threading.Lock()

    def take(self) -> dict[str, Found | None]:
        """What each part says, ``None`` for one that has not answered within 1.5 s."""
        until = time.monotonic() + DEADLINE_SECONDS
        with self._lock:
            for part, read in self._parts.items():
                if part not in self._readings or not self._readings[part].usable:
                    self._readings[part] = Reading(part, read)
            readings = dict(self._readings)
        return {part: reading.wait(until) for part, reading in readings.items()}
