"""Signs of life of the worker groups and of beat, for `/ready`."""

from typing import cast

from models import live

# Workers speak every 2 s and beat's sweeps every second: silent for this long is not alive.
SECONDS = 15

BEAT = "beat"
# Read by nobody: written to see whether Redis takes writes.
READY = "ready"


def queue(name: str) -> str:
    """The sign of a worker that consumes this queue."""
    return f"queue:{name}"


def say(*signs: str) -> None:
    """Renews these signs. Raises ``redis.RedisError`` without Redis."""
    live.run_all([("SET", f"alive:{sign}", 1, "EX", SECONDS) for sign in signs])


def heard(*signs: str) -> list[bool]:
    """Whether each sign was renewed lately. Raises ``redis.RedisError`` without Redis."""
    values = cast("list[str | None]", live.commands().mget([f"alive:{sign}" for sign in signs]))
    return [value is not None for value in values]


def ages(*signs: str) -> list[float]:
    """How long ago each sign was renewed (s); infinite if that was before the time it is kept.

    Raises ``redis.RedisError`` without Redis.
    """
    left_ms = live.run_all([("PTTL", f"alive:{sign}") for sign in signs])
    return [SECONDS - left / 1000 if left >= 0 else float("inf") for left in left_ms]
