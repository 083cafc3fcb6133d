"""Figures that take long to count, cached for all processes.

Every use fails open: without Redis they are counted.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import orjson
import redis
import structlog

from models.live import commands

log = structlog.get_logger()

# What was counted in less than this is counted each time.
CHEAP_SECONDS = 0.02
# Cached for so many times as long as counting took, so that it takes at most 2 % of one process.
TIMES_AS_LONG = 50
# And served for so much longer while another process counts again.
STALE_TIMES = 20

Counts = dict[str, int]


def kept(name: str, count: Callable[[], Counts]) -> Counts:
    """The counts under this name: the earlier ones, if any, while they are counted again.

    ``count`` may run in a thread of its own.
    """
    stored = _stored(name)
    if stored is None:
        return _count(name, count)
    counts, fresh = stored
    if not fresh:
        threading.Thread(target=_count_again, args=(name, count), name=f"figures-{name}", daemon=True).start()
    return counts


def _count_again(name: str, count: Callable[[], Counts]) -> None:
    """In the background: a failure is tried again the next time the figures are old."""
    try:
        _count(name, count)
    except Exception as error:
        log.warning("no figures", name=name, error=type(error).__name__)


def _count(name: str, count: Callable[[], Counts]) -> Counts:
    begun = time.monotonic()
    counts = count()
    took = time.monotonic() - begun
    if took > CHEAP_SECONDS:
        _store(name, counts, took)
    return counts


def _stored(name: str) -> tuple[Counts, bool] | None:
    """The cached figures, and whether they are fresh or being counted by another process."""
    try:
        value, fresh = cast("list[str | None]", commands().mget(_key(name), _fresh(name)))
        if value is None:
            return None
        took_ms, counts = orjson.loads(value)
        return counts, bool(fresh or not commands().set(_fresh(name), 1, nx=True, px=TIMES_AS_LONG * took_ms))
    except redis.RedisError:
        return None


def _store(name: str, counts: Counts, took: float) -> None:
    took_ms = max(1, round(took * 1000))
    lives_ms = TIMES_AS_LONG * took_ms
    pipeline = commands().pipeline(transaction=False)
    pipeline.set(_key(name), orjson.dumps([took_ms, counts]), px=STALE_TIMES * lives_ms)
    pipeline.set(_fresh(name), 1, px=lives_ms)
    try:
        pipeline.execute()
    except redis.RedisError:
        return


def recall(names: Sequence[str]) -> list[Counts | None]:
    """What was remembered under these names."""
    try:
        values = cast("list[str | None]", commands().mget([_key(name) for name in names]))
    except redis.RedisError:
        return [None] * len(names)
    return [orjson.loads(value) if value else None for value in values]


def remember(counts: Mapping[str, Counts], seconds: int) -> None:
    """Keeps what does not change any more."""
    pipeline = commands().pipeline(transaction=False)
    for name, value in counts.items():
        pipeline.set(_key(name), orjson.dumps(value), ex=seconds)
    try:
        pipeline.execute()
    except redis.RedisError:
        return


def _key(name: str) -> str:
    return f"figures:{name}"


def _fresh(name: str) -> str:
    return f"figures:{name}:fresh"
