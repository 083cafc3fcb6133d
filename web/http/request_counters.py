"""Counters that the processes of one web server share, for Prometheus (files: `server/counts.py`)."""

import time
from collections.abc import Iterable

import prometheus_client
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from server import counts
from web.http.watching import watching

# Every status that this server gives; all others share one label, since labels must be bounded.
STATUSES = frozenset(
    {101, 200, 201, 202, 204, 302, 304, 308, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 417, 422}
    | {426, 429, 431, 500, 503}
)
# Upper limits in seconds. An order is answered within 5 s; nothing should take longer than 10.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROLES = ("customer", "driver")
# Limits that are counted in Redis; they do not apply while it is away.
LIMITS = ("orders", "reads")
# Why a new order was refused without any work: more waited than could be answered in time, the process was
# behind with its work, or the client had hung up meanwhile.
REFUSALS = ("full", "behind", "gone")
# The labels of a request that matched no route.
UNMATCHED = ("ANY", "unmatched")

if counts.directory():
    values.ValueClass = values.MultiProcessValue(lambda: counts.slot)  # type: ignore[no-untyped-call]
# The shared files do not keep when a counter was created.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class SharedCounters:
    """The counts of this process, and of all that share its directory."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "weelo_http_requests",
            "Requests that reached the application.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._durations = Histogram(
            "weelo_http_request_duration_seconds",
            "Time to the answer; of a socket, to its 101.",
            ["method", "route"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._sockets = Gauge(
            "weelo_sockets", "Open sockets.", ["role"], multiprocess_mode="sum", registry=registry
        )
        self._uncounted = Counter(
            "weelo_limit_uncounted",
            "Requests that passed a limit uncounted, since Redis was away.",
            ["limit"],
            registry=registry,
        )
        self._refused = Counter(
            "weelo_orders_refused",
            "New orders refused: too many waited, the process was behind, or the client was gone.",
            ["reason"],
            registry=registry,
        )
        for role in ROLES:
            # The sockets of the process that had this slot before have ended.
            self._sockets.labels(role).set(0)
        for limit in LIMITS:
            self._uncounted.labels(limit)
        for reason in REFUSALS:
            self._refused.labels(reason)

    def count(self, route: tuple[str, str], status: int, seconds: float) -> None:
        """One request answered, of this method and URL rule."""
        self._requests.labels(*route, status if status in STATUSES else "other").inc()
        self._durations.labels(*route).observe(seconds)

    def connected(self, role: str, change: int) -> None:
        """One socket opened (1) or closed (-1)."""
        self._sockets.labels(role).inc(change)

    def let_through(self, limit: str) -> None:
        """One request passed a limit that could not be counted."""
        self._uncounted.labels(limit).inc()

    def refused(self, reason: str) -> None:
        """One new order refused without any work."""
        self._refused.labels(reason).inc()

    def collect(self) -> Iterable[Metric]:
        """The counts of all processes of this server."""
        if directory := counts.directory():
            return MultiProcessCollector(None, directory).collect()  # type: ignore[no-untyped-call,no-any-return]
        return self._registry.collect()


counters = SharedCounters()


def _begin() -> None:
    g.begun = time.perf_counter()


def _end(response: Response) -> Response:
    rule = request.url_rule
    route = (request.method, rule.rule) if rule else UNMATCHED
    counters.count(route, response.status_code, time.perf_counter() - g.begun)
    if watching.people:
        watching.call(response)
    return response


def register(app: Flask) -> None:
    """Counts every request that reaches the application; to be called before other hooks are added."""
    app.before_request(_begin)
    app.after_request(_end)
