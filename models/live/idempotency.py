"""The answer under an idempotency key, for as long as a retry is likely (300 s).

Postgres keeps it for 72 hours; this spares it the usual case.
"""

from dataclasses import dataclass
from typing import cast

import orjson

from models import live, settings


@dataclass(frozen=True)
class CachedAnswer:
    """What was answered: ``data`` is the JSON text of the answer's data."""

    order_id: str
    fingerprint: str
    status: int
    data: str


def name(customer_id: str, key: str) -> str:
    """The answer's key in Redis."""
    return f"idempotency:{customer_id}:{key}"


def read(stored: str) -> CachedAnswer:
    """The answer as it is kept."""
    return CachedAnswer(**orjson.loads(stored))


def find(customer_id: str, key: str) -> CachedAnswer | None:
    """What was answered under this key, if it is cached. Raises ``redis.RedisError``."""
    stored = cast("str | None", live.commands().get(name(customer_id, key)))
    return read(stored) if stored else None


def remembering(customer_id: str, key: str, answer: CachedAnswer) -> live.Command:
    """The command that keeps the answer for IDEMPOTENCY_CACHE_SECONDS."""
    seconds = settings.load().idempotency_cache_seconds
    return "SET", name(customer_id, key), orjson.dumps(answer), "EX", seconds
