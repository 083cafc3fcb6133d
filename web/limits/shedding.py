"""Load shedding: refuses new orders before any work while this process is behind, and counts all refusals.

Two queues are kept short: that of orders which wait to be placed (`web/limits/backlog.py`), and that of the
process itself, in which accepts, cancels and `/health` would wait behind new orders. The share that is
refused grows with the delay (random early detection), so that the process neither stands still nor swings.
"""

import random
import re
import threading
import time
from collections import OrderedDict
from email.utils import formatdate

import orjson
import redis
import structlog
from uuid_utils import uuid4

from models import clock
from models.errors import ServiceUnavailable
from models.live import refusals
from server.lag import lag
from server.roles import Role
from web.http.headers import SECURITY
from web.http.request_counters import counters
from web.http.request_ids import SHAPE
from web.limits.backlog import backlog

log = structlog.get_logger()

# Below the first lag of a process (s) no order is refused, above the second every one. The process for
# everything else takes new orders only while the one for new orders is behind, and stays quick: an accept
# waits for its process a dozen times.
LIMITS = {
    Role.EVERYTHING: (0.1, 0.4),
    Role.NEW_ORDERS: (0.1, 0.4),
    Role.ALL_BUT_NEW_ORDERS: (0.01, 0.04),
}
# What the console shows is brought up to date this often, so that a refusal costs no round trip.
PUBLISH_SECONDS = 1.0
# This many keys of the orders admitted last are known.
KEYS = 20_000
ORDERS = ("POST", "/api/v1/orders")
HEADER = re.compile(rb"\r\n(origin|x-request-id|x-idempotency-key|idempotency-key):([^\r]*)", re.IGNORECASE)
KEY_NAMES = (b"x-idempotency-key", b"idempotency-key")

# When a refused client should repeat: random, so that clients refused together do not repeat together.
RETRY_SECONDS = (2, 6)


def overloaded() -> ServiceUnavailable:
    """What a new order is refused with. ``data.retryAfter`` is in seconds."""
    return ServiceUnavailable(
        "Too many orders are waiting. Nothing was accepted; send it again with the same key.",
        {"retryAfter": random.randint(*RETRY_SECONDS)},
    )


class Shedder:
    """Decides about a new order before its request is parsed (`server/reading.py`)."""

    def __init__(self) -> None:
        self.role = Role.EVERYTHING

    def reason_to_refuse(self) -> str | None:
        """Why the next new order is to be refused, as it is counted; ``None`` if it is not."""
        if backlog.is_full():
            return "full"
        nobody_below, everybody_above = LIMITS[self.role]
        share = (lag.seconds - nobody_below) / (everybody_above - nobody_below)
        return "behind" if share > 0 and random.random() < share else None

    def refusal(self, head: bytes, reason: str) -> bytes | None:
        """The whole response to a request with this head; ``None`` if the application has to answer it.

        That is a repeat of an order that was admitted, and a page in a browser, which can read only what the
        application's headers allow.
        """
        headers = {name.lower(): value.strip() for name, value in HEADER.findall(head)}
        if b"origin" in headers or any(admitted_keys.has(headers.get(name)) for name in KEY_NAMES):
            return None
        begun = time.perf_counter()
        response = _response(headers.get(b"x-request-id", b""))
        count(reason)
        counters.count(ORDERS, 503, time.perf_counter() - begun)
        return response


class AdmittedKeys:
    """The keys of the orders that were admitted last. Hashes of them are enough: two keys that share one are
    both let through, which does no harm.
    """

    def __init__(self) -> None:
        self._hashes: OrderedDict[int, None] = OrderedDict()

    def add(self, key: str) -> None:
        """An order under this key was admitted, so a repeat of it is no new order."""
        self._hashes[hash(key)] = None
        if len(self._hashes) > KEYS:
            self._hashes.popitem(last=False)

    def has(self, value: bytes | None) -> bool:
        """Whether this is the value of the header of one of them."""
        return value is not None and hash(value.strip(b'"').decode("latin-1")) in self._hashes


admitted_keys = AdmittedKeys()


def _response(sent_id: bytes) -> bytes:
    error = overloaded()
    data = error.data or {}
    failure = {"code": error.code, "message": error.message, "data": data}
    body = orjson.dumps({"success": False, "error": failure})
    text = sent_id.decode("latin-1")
    headers = {
        "Date": formatdate(clock.seconds(), usegmt=True),
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Retry-After": str(data["retryAfter"]),
        "X-Request-ID": text if SHAPE.fullmatch(text) else uuid4().hex,
        **SECURITY,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 503 Service Unavailable\r\n{lines}\r\n".encode("latin-1") + body


class _Unsent:
    """Refusals that are not in the console's figure yet."""

    def __init__(self) -> None:
        self._count = 0
        self._sent = 0.0
        self._lock = threading.Lock()

    def add(self) -> int:
        """One more; how many there are to be sent now."""
        now = time.monotonic()
        with self._lock:
            self._count += 1
            if now - self._sent < PUBLISH_SECONDS:
                return 0
            self._sent, count, self._count = now, self._count, 0
            return count


_unsent = _Unsent()


def count(reason: str) -> None:
    """One new order was refused."""
    counters.refused(reason)
    if not (due := _unsent.add()):
        return
    log.warning("orders refused: more come than can be answered in time", orders=due)
    try:
        refusals.add(due)
    except redis.RedisError:
        # Only the console's figure is too low.
        return
