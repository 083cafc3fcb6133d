"""Refuses new orders before any work while this process is behind with what it has, and counts all refusals.

Two queues are kept short: that of orders which wait to be placed (`web/backlog.py`), and that of the process
itself, in which accepts, cancels and `/health` would wait behind new orders. The share that is refused grows
with the delay (random early detection), so that the process neither stands still nor swings.
"""

import random
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson
import redis
import structlog
from uuid_utils import uuid4

from models.errors import ServiceUnavailable
from models.live import refusals
from server.lag import lag
from server.roles import Role
from web.headers import SECURITY
from web.order_headers import KEY_HEADERS
from web.requests import SHAPE
from web.traffic import board

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

# Below the first lag of a process (s) no order is refused, above the second every one. The process for
# everything else takes new orders only while the one for new orders is behind, and stays quick: an accept
# waits for its process a dozen times.
LIMITS = {
    Role.EVERYTHING: (0.1, 0.4),
    Role.NEW_ORDERS: (0.1, 0.4),
    Role.ALL_BUT_NEW_ORDERS: (0.02, 0.08),
}
# What the console shows is brought up to date this often, so that a refusal costs no round trip.
TELL_SECONDS = 1.0
# So many keys of orders that were admitted last are known.
KEYS = 20_000
ORDERS = ("POST", "/api/v1/orders")


# When a client that was refused should come again: drawn, so that those who were refused together do not come
# back together.
RETRY_SECONDS = (2, 6)


def overloaded() -> ServiceUnavailable:
    """What a new order is refused with. ``data.retryAfter`` is in seconds."""
    return ServiceUnavailable(
        "Too many orders are waiting. Nothing was accepted; send it again with the same key.",
        {"retryAfter": random.randint(*RETRY_SECONDS)},
    )


class Shedder:
    """Stands in front of the application (a WSGI middleware)."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self.role = Role.EVERYTHING

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != ORDERS:
            return self._application(environ, start_response)
        # A page in a browser can read only what the application's headers allow it to.
        if "HTTP_ORIGIN" in environ or not _drawn(self.role) or admitted_keys.has(environ):
            return self._application(environ, start_response)
        return _refuse(environ, start_response)


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

    def has(self, environ: "WSGIEnvironment") -> bool:
        """Whether this request repeats one of them."""
        return any(hash(str(environ[name])) in self._hashes for name in KEY_HEADERS if name in environ)


admitted_keys = AdmittedKeys()


def _drawn(role: Role) -> bool:
    """Whether this order is refused by a process of this role."""
    nobody_below, everybody_above = LIMITS[role]
    share = (lag.seconds - nobody_below) / (everybody_above - nobody_below)
    return share > 0 and random.random() < share


def _refuse(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    begun, error = time.perf_counter(), overloaded()
    sent = str(environ.get("HTTP_X_REQUEST_ID", ""))
    data = error.data or {}
    failure = {"code": error.code, "message": error.message, "data": data}
    body = orjson.dumps({"success": False, "error": failure})
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Retry-After": str(data["retryAfter"]),
        "X-Request-ID": sent if SHAPE.fullmatch(sent) else uuid4().hex,
        **SECURITY,
    }
    start_response("503 SERVICE UNAVAILABLE", list(headers.items()))
    count("behind")
    board.count(ORDERS, 503, time.perf_counter() - begun)
    return [body]


class _Unsent:
    """Refusals that the console has not heard of."""

    def __init__(self) -> None:
        self._count = 0
        self._sent = 0.0
        self._lock = threading.Lock()

    def add(self) -> int:
        """One more; how many there are to be sent now."""
        now = time.monotonic()
        with self._lock:
            self._count += 1
            if now - self._sent < TELL_SECONDS:
                return 0
            self._sent, count, self._count = now, self._count, 0
            return count


_unsent = _Unsent()


def count(reason: str) -> None:
    """One new order was refused."""
    board.refused(reason)
    if not (due := _unsent.add()):
        return
    log.warning("orders refused: more come than can be answered in time", orders=due)
    try:
        refusals.add(due)
    except redis.RedisError:
        # Only the console's figure is too low.
        return
