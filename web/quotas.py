"""What one caller and one address may do in a minute, said in every answer that counted; and orders.

The headers are those of draft-ietf-httpapi-ratelimit-headers. Without Redis there is no limit,
and a metric counts who has passed.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import redis
import structlog
from flask import Flask, Response, g, request

from models import clock, settings
from models.errors import RateLimitExceeded
from models.live import read_rate
from models.live.read_rate import WINDOW_SECONDS
from web import addresses
from web.auth import Caller
from web.traffic import board

log = structlog.get_logger()

READING = frozenset({"GET", "HEAD"})
# What is counted, by the name of its quota in the answers.
COUNTED = {
    "caller": "reads",
    "address": "requests from this address",
    "writes": "changes",
    "sockets": "sockets",
}
# Whoever floods sends the next request when the answer to this one comes. The pause costs us an idle
# greenlet and leaves the processor to others; were it always the same, all would come back at once.
PAUSE_SECONDS = (0.5, 1.5)
# Up to this part of a limit a process counts alone: an honest caller never gets so far, and a round
# trip to Redis for each of his reads made a request cost a third more. So at worst a caller has, in
# each further process, this part on top.
SHARE = 10
# A stranger has as many addresses as they like. Beyond so many, which are 2 MB, counting alone begins anew.
MOST_SUBJECTS = 10_000


@dataclass(frozen=True)
class Quota:
    """What is left of one limit, and in how many seconds it begins anew."""

    name: str
    limit: int
    remaining: int
    reset: int


def register(app: Flask) -> None:
    """Adds the headers to whatever was counted."""
    app.after_request(_tell)


class Reads:
    """What this process has counted in the present minute."""

    def __init__(self) -> None:
        self._window = 0
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, limits: Mapping[str, int], window: int) -> dict[str, int]:
        """Counts one read for each subject and returns how many it has. Raises ``redis.RedisError``."""
        used, shared = {}, {}
        with self._lock:
            if window != self._window or len(self._counts) > MOST_SUBJECTS:
                self._window, self._counts = window, Counter()
            for subject, limit in limits.items():
                self._counts[subject] += 1
                used[subject] = self._counts[subject]
                alone = limit // SHARE
                if used[subject] > alone:
                    # The first time everything counted so far, from then on each by itself.
                    shared[subject] = used[subject] if used[subject] == alone + 1 else 1
        if shared:
            used |= zip(shared, read_rate.add(shared, window), strict=True)
        return used


_reads = Reads()


def count(caller: Caller | None) -> None:
    """Counts a request, for its address alone where nobody is known. Raises ``RateLimitExceeded``."""
    limits = _limits(caller)
    if not limits:
        return
    now = clock.seconds()
    window = int(now // WINDOW_SECONDS)
    try:
        used = _reads.count(limits, window)
    except redis.RedisError as error:
        log.warning("reads not counted", error=str(error).partition("\n")[0])
        board.let_through("reads")
        return
    reset = max(1, round((window + 1) * WINDOW_SECONDS - now))
    g.quotas = [
        Quota(one.partition(":")[0], limit, max(0, limit - used[one]), reset) for one, limit in limits.items()
    ]
    for quota, (subject, limit) in zip(g.quotas, limits.items(), strict=True):
        if used[subject] > limit:
            raise RateLimitExceeded(
                f"More than {limit} {COUNTED[quota.name]} in a minute.", {"retryAfter": reset}
            )


def _limits(caller: Caller | None) -> dict[str, int]:
    """The limit of each subject that is to be counted: reads for their address too, what changes something
    and sockets for their caller alone, since thousands may share an address.
    """
    configured = settings.load()
    found = {}
    name, limit = _kind(configured)
    if caller:
        found[f"{name}:{caller.role}:{caller.sub}"] = limit
    if not caller or name == "caller":
        address = addresses.of_request(request)
        found[f"address:{address}"] = configured.reads_per_minute_per_address if address else 0
    return {subject: limit for subject, limit in found.items() if limit}


def _kind(configured: settings.Settings) -> tuple[str, int]:
    """What this request counts as for its caller, and how many a minute there may be."""
    if request.endpoint == "socket":
        return "sockets", configured.socket_openings_per_minute
    if request.method in READING:
        return "caller", configured.reads_per_minute
    # Orders have a limit of their own, counted where their key is looked up.
    return "writes", 0 if request.endpoint == "orders.create" else configured.writes_per_minute


def _tell(answer: Response) -> Response:
    if quotas := g.get("quotas"):
        _say(answer, quotas)
    elif request.endpoint == "orders.create" and (limit := settings.load().orders_per_minute):
        answer.headers.add("RateLimit-Policy", _policy("orders", limit))
        if answer.status_code == 429:
            answer.headers["RateLimit"] = f'"orders";r=0;t={answer.headers["Retry-After"]}'
    if answer.status_code == 429:
        time.sleep(random.uniform(*PAUSE_SECONDS))
    return answer


def _say(answer: Response, quotas: list[Quota]) -> None:
    answer.headers["RateLimit-Policy"] = ", ".join(_policy(one.name, one.limit) for one in quotas)
    left = (f'"{one.name}";r={one.remaining};t={one.reset}' for one in quotas)
    answer.headers["RateLimit"] = ", ".join(left)


def _policy(name: str, limit: int) -> str:
    return f'"{name}";q={limit};w={WINDOW_SECONDS}'
