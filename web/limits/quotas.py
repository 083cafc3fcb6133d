"""Limits of one caller and of one address: requests a minute, and requests a second.

The minute is counted in Redis, over all web processes, and stands in the headers of
draft-ietf-httpapi-ratelimit-headers. Without Redis there is no such limit, and a metric counts what passed.
"""

import random
import threading
import time
from dataclasses import dataclass

import redis
import structlog
from flask import Flask, Response, g, request

from models import clock, settings
from models.errors import RateLimitExceeded
from models.live import read_rate
from models.live.read_rate import WINDOW_SECONDS
from web.http import client_address
from web.http.request_counters import counters
from web.identity.tokens import Caller

log = structlog.get_logger()

READING = frozenset({"GET", "HEAD"})
# What is counted, by the name of its quota in the headers.
COUNTED = {
    "caller": "reads",
    "address": "requests from this address",
    "writes": "changes",
    "sockets": "sockets",
}
# A flood sends its next request when the answer to the last one comes. The pause costs an idle greenlet and
# leaves the processor to others. It is random, so that clients do not repeat at once.
PAUSE_SECONDS = (0.5, 1.5)
# An app that starts sends several requests at once.
BURST_SECONDS = 2.0
# A caller who would wait for longer than this is refused.
LONGEST_WAIT = 1.0
# With so many callers known, those who are not behind are forgotten.
MANY_CALLERS = 10_000


@dataclass(frozen=True)
class Quota:
    """One limit, what is left of it, and in how many seconds the next minute begins."""

    name: str
    limit: int
    remaining: int
    reset: int


class Pace:
    """When the next request of each caller may run (the generic cell rate algorithm).

    A limit a minute lets a flood do its damage in the first seconds. Each process has a pace of its own,
    since what it guards is this process's one thread.
    """

    def __init__(self) -> None:
        self._due: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def wait(self, caller: Caller) -> None:
        """Sleeps until this caller may go on. Raises ``RateLimitExceeded``."""
        if (rate := settings.load().requests_per_second) and (delay := self._delay(caller, rate)) > 0:
            time.sleep(delay)

    def _delay(self, caller: Caller, rate: int) -> float:
        person, now = (caller.role, caller.sub), time.monotonic()
        with self._lock:
            due = max(self._due.get(person, 0.0), now) + 1 / rate
            delay = due - now - BURST_SECONDS
            if delay > LONGEST_WAIT:
                raise RateLimitExceeded("Too many requests in a second.", {"retryAfter": 1})
            if len(self._due) > MANY_CALLERS:
                self._due = {known: at for known, at in self._due.items() if at > now}
            self._due[person] = due
        return delay


pace = Pace()


def register(app: Flask) -> None:
    """Adds the headers to whatever was counted."""
    app.after_request(_add_headers)


def count(caller: Caller | None) -> None:
    """Counts a request, for its address alone where no caller is known. Raises ``RateLimitExceeded``."""
    limits = _limits(caller)
    if not limits:
        return
    now = clock.seconds()
    window = int(now // WINDOW_SECONDS)
    try:
        used = read_rate.add(list(limits), window)
    except redis.RedisError as error:
        log.warning("reads not counted", error=str(error).partition("\n")[0])
        counters.let_through("reads")
        return
    reset = max(1, round((window + 1) * WINDOW_SECONDS - now))
    g.quotas = []
    for (subject, limit), requests in zip(limits.items(), used, strict=True):
        g.quotas.append(Quota(subject.partition(":")[0], limit, max(0, limit - requests), reset))
    for quota, requests in zip(g.quotas, used, strict=True):
        if requests > quota.limit:
            message = f"More than {quota.limit} {COUNTED[quota.name]} in a minute."
            raise RateLimitExceeded(message, {"retryAfter": reset})


def _limits(caller: Caller | None) -> dict[str, int]:
    """The limit of each subject to count. Reads count for their address too; changes and sockets only for
    their caller, since thousands may share an address.
    """
    configured = settings.load()
    limits = {}
    name, limit = _kind(configured)
    if caller:
        limits[f"{name}:{caller.role}:{caller.sub}"] = limit
    if not caller or name == "caller":
        address = client_address.of_request(request)
        limits[f"address:{address}"] = configured.reads_per_minute_per_address if address else 0
    return {subject: limit for subject, limit in limits.items() if limit}


def _kind(configured: settings.Settings) -> tuple[str, int]:
    """The quota of its caller that this request counts for, and its limit."""
    if request.endpoint == "socket":
        return "sockets", configured.socket_openings_per_minute
    if request.method in READING:
        return "caller", configured.reads_per_minute
    # Orders have a limit of their own, counted where their key is looked up.
    return "writes", 0 if request.endpoint == "orders.create" else configured.writes_per_minute


def _add_headers(answer: Response) -> Response:
    quotas: list[Quota] = g.get("quotas") or []
    if quotas:
        answer.headers["RateLimit-Policy"] = ", ".join(_policy(quota.name, quota.limit) for quota in quotas)
        left = (f'"{quota.name}";r={quota.remaining};t={quota.reset}' for quota in quotas)
        answer.headers["RateLimit"] = ", ".join(left)
    elif request.endpoint == "orders.create" and (limit := settings.load().orders_per_minute):
        answer.headers["RateLimit-Policy"] = _policy("orders", limit)
        if answer.status_code == 429:
            answer.headers["RateLimit"] = f'"orders";r=0;t={answer.headers["Retry-After"]}'
    if answer.status_code == 429:
        time.sleep(random.uniform(*PAUSE_SECONDS))
    return answer


def _policy(name: str, limit: int) -> str:
    return f'"{name}";q={limit};w={WINDOW_SECONDS}'
