"""The answer under an idempotency key, for as long as a retry is likely (300 s).

Postgres keeps it for 72 hours; this spares it the usual case.
"""

from dataclasses import dataclass
from typing import cast

import orjson
import redis

from models import live, settings


@dataclass(frozen=True)
class Answer:
    """What was answered: ``data`` is the JSON text of the answer's data."""

    order_id: str
    fingerprint: str
    status: int
    data: str


def _key(customer_id: str, key: str) -> str:
    return f"idempotency:{customer_id}:{key}"


def recall(customer_id: str, key: str) -> Answer | None:
    """The answer given under this key. Raises ``redis.RedisError`` without Redis."""
    stored = cast("str | None", live.commands().get(_key(customer_id, key)))
    return Answer(**orjson.loads(stored)) if stored else None


def remember(customer_id: str, key: str, answer: Answer, pipeline: redis.client.Pipeline) -> None:
    """Has the pipeline keep the answer for IDEMPOTENCY_CACHE_SECONDS."""
    seconds = settings.load().idempotency_cache_seconds
    pipeline.set(_key(customer_id, key), orjson.dumps(answer), ex=seconds)
