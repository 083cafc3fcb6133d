"""Figures for Prometheus.

Of the whole system, read from Postgres and Redis while the scrape waits, so that every process gives
the same ones: ``weelo_admissions``, ``weelo_orders_searching``, ``weelo_offers_open``,
``weelo_outbox_rows``, ``weelo_outbox_oldest_age_seconds``, ``weelo_failed_rows``, ``weelo_drivers``,
``weelo_queue_length``, ``weelo_unacked_tasks``, ``weelo_worker_up``, ``weelo_last_sweep_age_seconds``.
Of this web server, all its processes together, counted since its start:
``weelo_http_requests_total``, ``weelo_http_request_duration_seconds``, ``weelo_sockets``,
``weelo_limit_uncounted_total``, ``weelo_orders_refused_total``.

A part that does not answer in time is missing, and ``weelo_up`` says so. Anybody in the network may
read this, as ``/health``: there is nothing of a person in it.
"""

from collections.abc import Iterator, Mapping

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from models.live import alive, queues
from web.guards import probe
from web.http.operations import Answer, Operation
from web.http.request_counters import counters
from web.routes.health import QUEUES
from web.routes.readings import Readings
from workers.reading import figures

blueprint = Blueprint("metrics", __name__)


class Figures(Collector):
    """Everything that ``/metrics`` says."""

    def __init__(self) -> None:
        self._readings = Readings({"postgres": _of_postgres, "redis": _of_redis})

    def collect(self) -> Iterator[Metric]:
        found = self._readings.take()
        up = {part: int(metrics is not None) for part, metrics in found.items()}
        yield _gauges("weelo_up", "Whether this part has answered within 1.5 s.", "part", up)
        for metrics in found.values():
            yield from metrics or ()
        yield from counters.collect()


def _of_postgres() -> list[Metric]:
    found = figures.figures_of(figures.heard())
    oldest = GaugeMetricFamily(
        "weelo_outbox_oldest_age_seconds", "Age of the oldest outbox row; 0 without one."
    )
    oldest.add_metric([], found.outbox_oldest_seconds)
    return [
        _gauges("weelo_admissions", "Admissions that wait or were given up.", "state", found.admissions),
        _gauges("weelo_orders_searching", "Orders searching for trucks.", "status", found.searching),
        _gauges("weelo_drivers", "Registered drivers.", "state", found.drivers),
        GaugeMetricFamily("weelo_offers_open", "Offers that can be accepted.", found.open_offers),
        _gauges(
            "weelo_failed_rows",
            "Rows that failed by themselves within the last hour, and are left behind for a while.",
            "batch",
            found.failed_rows,
        ),
        GaugeMetricFamily("weelo_outbox_rows", "Commits that people must hear of.", found.outbox_waiting),
        oldest,
    ]


def _of_redis() -> list[Metric]:
    depths = queues.depths(QUEUES)
    workers = dict(zip(QUEUES, map(int, alive.heard(*map(alive.queue, QUEUES))), strict=True))
    return [
        _gauges("weelo_queue_length", "Tasks that wait for a worker.", "queue", depths.waiting),
        GaugeMetricFamily("weelo_unacked_tasks", "Tasks that workers have taken.", depths.unacked),
        _gauges("weelo_worker_up", "Whether a worker of this queue was heard within 15 s.", "queue", workers),
        GaugeMetricFamily(
            "weelo_last_sweep_age_seconds",
            "Time since the last sweep; infinite after 15 s.",
            alive.ages(alive.BEAT)[0],
        ),
    ]


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for state, value in values.items():
        family.add_metric([state], value)
    return family


_registry = CollectorRegistry()
_registry.register(Figures())


@blueprint.get("/metrics")
@probe
@Operation("Machines", Answer("Prometheus' text format, or OpenMetrics.", media="text/plain"))
def metrics() -> Response:
    """Figures for Prometheus, in its text format or as OpenMetrics, as the client prefers."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(_registry), content_type=content_type)
