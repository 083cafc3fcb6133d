"""The answer under an idempotency key, for as long as a retry is likely (300 s).

Postgres keeps it for 72 hours; this spares it the usual case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import orjson

from models import live, settings


@dataclass(frozen=True)
class Answer:
    """What was answered: ``data`` is the JSON text of the answer's data."""

    order_id: str
    fingerprint: str
    status: int
    data: str


def name(customer_id: str, key: str) -> str:
    """The answer's key in Redis."""
    return f"idempotency:{customer_id}:{key}"


def read(stored: str) -> Answer:
    """The answer as it is kept."""
    return Answer(**orjson.loads(stored))


def find_all(asked: Sequence[tuple[str, str]]) -> list[Answer | None]:
    """What was answered under each customer's key, if that is kept. Raises ``redis.RedisError``."""
    found = cast("list[str | None]", live.commands().mget([name(*one) for one in asked]))
    return [read(stored) if stored else None for stored in found]


def remembering(customer_id: str, key: str, answer: Answer) -> live.Command:
    """The command that keeps the answer for IDEMPOTENCY_CACHE_SECONDS."""
    seconds = settings.load().idempotency_cache_seconds
    return "SET", name(customer_id, key), orjson.dumps(answer), "EX", seconds
