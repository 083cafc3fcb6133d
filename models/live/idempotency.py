"""The answer under an idempotency key, for as long as a retry is likely (300 s).

Postgres keeps it for 72 hours; this spares it the usual case.
"""

from dataclasses import dataclass

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


def remembering(customer_id: str, key: str, answer: Answer) -> live.Command:
    """The command that keeps the answer for IDEMPOTENCY_CACHE_SECONDS."""
    seconds = settings.load().idempotency_cache_seconds
    return "SET", name(customer_id, key), orjson.dumps(answer), "EX", seconds
