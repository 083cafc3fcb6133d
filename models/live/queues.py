"""How much waits in Celery's queues. The broker may be a Redis of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import redis

from models import live, settings
from models.live import connections

# kombu's hash of the tasks that a worker has taken and not acknowledged.
UNACKED = "unacked"


@dataclass(frozen=True)
class Depths:
    """Tasks waiting in each queue, and tasks in the hands of workers."""

    waiting: dict[str, int]
    unacked: int


@lru_cache(maxsize=1)
def _broker() -> redis.Redis:
    configured = settings.load()
    if configured.broker == configured.redis:
        return live.commands()
    # Not the breaking kind: a broker that is away says nothing of the live state's Redis.
    return connections.client(
        configured.broker, socket_timeout=live.COMMAND_TIMEOUT, socket_connect_timeout=live.COMMAND_TIMEOUT
    )


def waiting(name: str) -> int:
    """How many tasks wait in a queue. Raises ``redis.RedisError``."""
    return cast("int", _broker().llen(name))


def depths(names: Sequence[str]) -> Depths:
    """What waits in these queues. Raises ``redis.RedisError``."""
    pipeline = _broker().pipeline(transaction=False)
    for name in names:
        pipeline.llen(name)
    pipeline.hlen(UNACKED)
    *waiting, unacked = cast("list[int]", pipeline.execute())
    return Depths(dict(zip(names, waiting, strict=True)), unacked)
