"""What must not be left when all is quiet: keys without an end, unacknowledged tasks."""

import re
import time
from collections.abc import Iterator
from typing import cast

import redis

import celeryconfig
from models import live

# Redis gives a task of a killed worker back after the first of these.
UNACKED_SECONDS = celeryconfig.broker_transport_options["visibility_timeout"] + 15.0
# Celery's and kombu's own: queues, bindings, what is being worked on, events.
FOREIGN = re.compile(r"_kombu\.|unacked|celery|orders$|sweeps$|priority|.*\.pidbox|.*reply|default")
# The key table's rows whose TTL column says why they have none.
ROW = re.compile(r"^\| (`[^|]+`) \|[^|]*\| none", re.MULTILINE)


def lasting() -> re.Pattern[str]:
    """The keys that the key table allows to live without a TTL."""
    names = re.findall(r"`([^`]+)`", " ".join(ROW.findall(live.__doc__ or "")))
    return re.compile("|".join(re.sub(r"\\{[a-z]+\\}", ".+", re.escape(name)) + "$" for name in names))


def found(url: str, unacked_seconds: float) -> Iterator[tuple[str, str]]:
    """Every leak in the Redis behind this URL, as its kind and its name."""
    client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5)
    allowed = lasting()
    for key in client.scan_iter(count=1000):
        if client.ttl(key) == -1 and not allowed.match(key) and not FOREIGN.match(key):
            yield "a key without a TTL", key
    if unacked_seconds and not _becomes_empty(client, unacked_seconds):
        yield "a task stays unacknowledged", str(client.hlen("unacked"))


def _becomes_empty(client: redis.Redis, seconds: float) -> bool:
    """Sweeps are always under way, so it is enough that there is a moment without any."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if cast("int", client.hlen("unacked")) == 0:
            return True
        time.sleep(0.02)
    return False
