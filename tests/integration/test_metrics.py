"""Every figure of /metrics, and what is left of them when a store is away."""

import math
import socket
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from models import db, live, settings
from models.live import alive
from tasks import app as celery
from tests import scenes
from tests.conftest import forget_configuration
from web import create_app
from web.http.request_counters import counters
from web.routes import metrics, readings
from web.routes.health import QUEUES
from workers.offers import accepting
from workers.orders import recovering

Sample = tuple[str, frozenset[tuple[str, str]]]


def scrape(accept: str = "") -> dict[Sample, float]:
    """All figures by name and labels, read again."""
    metrics._registry = CollectorRegistry()
    metrics._registry.register(metrics.Figures())
    answer = create_app().test_client().get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


def figure(found: dict[Sample, float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def by_label(found: dict[Sample, float], name: str) -> dict[str, float]:
    return {next(iter(labels))[1]: value for (metric, labels), value in found.items() if metric == name}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine leaves out no store that works."""
    monkeypatch.setattr(readings, "DEADLINE_SECONDS", 20.0)


@pytest.mark.usefixtures("aside", "patient")
class TestWhole:
    """Of the whole system."""

    def test_admissions_that_wait_and_that_were_given_up_are_counted(self) -> None:
        scenes.placed("asha")
        scenes.admitted("ravi")
        dead = scenes.admitted("mira")
        for _ in range(6):
            recovering.may_try(dead)
        assert by_label(scrape(), "weelo_admissions") == {"queued": 1, "dead": 1}

    def test_searching_orders_and_open_offers_are_counted(self) -> None:
        scenes.driver("one")
        scenes.driver("two")
        accepting.accept("one", scenes.placed("asha", trucks=2).order_id)
        scenes.placed("ravi", vehicle=("TRUCK", "LCV"))
        found = scrape()
        expected = {"active": 1, "partially_filled": 1, "in_progress": 0}
        assert by_label(found, "weelo_orders_searching") == expected
        assert figure(found, "weelo_offers_open") == 1

    def test_drivers_are_counted_by_state(self) -> None:
        scenes.driver("one")
        scenes.driver("two", available=False)
        expected = {"available": 1, "busy": 0, "on_trip": 0, "silent": 0, "unavailable": 1}
        assert by_label(scrape(), "weelo_drivers") == expected

    def test_the_outbox_says_how_much_waits_and_for_how_long(self) -> None:
        found = scrape()
        assert figure(found, "weelo_outbox_rows") == 0
        assert figure(found, "weelo_outbox_oldest_age_seconds") == 0
        scenes.placed()
        with db.transaction() as connection:
            connection.execute(text("UPDATE outbox SET created_at = now() - interval '30 seconds'"))
        found = scrape()
        assert figure(found, "weelo_outbox_rows") == 1
        assert 30 <= figure(found, "weelo_outbox_oldest_age_seconds") < 40

    def test_queues_and_unacknowledged_tasks_are_counted(self) -> None:
        with celery.connection_for_write(settings.load().broker_url) as broker:
            for _ in range(3):
                celery.send_task("orders.place", args=([],), connection=broker)
            celery.send_task("sweeps.each_second", connection=broker)
        live.commands().hset("unacked", "a-tag", "a task")
        found = scrape()
        assert by_label(found, "weelo_queue_length") == {"orders": 3, "sweeps": 1}
        assert figure(found, "weelo_unacked_tasks") == 1

    def test_workers_and_the_last_sweep_are_seen_as_long_as_they_are_alive(self) -> None:
        found = scrape()
        assert by_label(found, "weelo_worker_up") == dict.fromkeys(QUEUES, 0)
        assert figure(found, "weelo_last_sweep_age_seconds") == math.inf
        alive.say(alive.BEAT, alive.queue("orders"))
        found = scrape()
        assert by_label(found, "weelo_worker_up") == {"orders": 1, "sweeps": 0}
        assert 0 <= figure(found, "weelo_last_sweep_age_seconds") < 30

    def test_a_scrape_of_openmetrics_is_answered_in_it(self) -> None:
        answer = (
            create_app()
            .test_client()
            .get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        )
        assert answer.text.endswith("# EOF\n")

    def test_who_scrapes_often_does_not_make_more_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(readings, "FRESH_SECONDS", 60.0)
        client = create_app().test_client()
        client.get("/metrics")
        scenes.admitted("asha")
        assert client.get("/metrics").text.count('weelo_admissions{state="queued"} 0.0') == 1


@pytest.mark.usefixtures("aside")
class TestServer:
    """Of this web server."""

    def test_requests_are_counted_by_route_and_never_by_path(self) -> None:
        labels = {"method": "GET", "route": "/api/v1/orders/<order_id>"}
        refused = ("weelo_http_requests_total", frozenset({**labels, "status": "401"}.items()))
        before = scrape()
        client = create_app().test_client()
        for number in range(3):
            client.get(f"/api/v1/orders/secret-{number}")
            client.get(f"/nowhere/secret-{number}")
        found = scrape()
        assert found[refused] - before.get(refused, 0) == 3
        assert not [sample for sample in found if "secret" in str(sample)]
        unmatched = {"method": "ANY", "route": "unmatched", "status": "404"}
        assert figure(found, "weelo_http_requests_total", **unmatched) >= 3
        count = figure(found, "weelo_http_request_duration_seconds_count", **labels)
        assert count == figure(found, "weelo_http_request_duration_seconds_bucket", **labels, le="+Inf")
        assert count == sum(
            value
            for (name, of), value in found.items()
            if name == "weelo_http_requests_total" and set(labels.items()) <= of
        )
        assert figure(found, "weelo_http_request_duration_seconds_sum", **labels) > 0

    def test_sockets_are_counted_by_role(self) -> None:
        before = by_label(scrape(), "weelo_sockets")
        counters.connected("driver", +1)
        assert by_label(scrape(), "weelo_sockets")["driver"] == before["driver"] + 1
        counters.connected("driver", -1)
        assert by_label(scrape(), "weelo_sockets") == before

    def test_nothing_but_known_names_and_states_is_in_a_label(self) -> None:
        scenes.driver("driver-of-noida")
        scenes.placed("customer-of-noida")
        allowed = {
            "part",
            "state",
            "status",
            "queue",
            "role",
            "method",
            "route",
            "le",
            "limit",
            "batch",
            "reason",
        }
        found = scrape()
        assert {name for _, labels in found for name, _ in labels} <= allowed
        assert "noida" not in str(found)


@pytest.fixture
def silence() -> Iterator[str]:
    """An address that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_without_redis_the_other_figures_come_within_three_seconds(
    aside: pytest.MonkeyPatch, silence: str, how: str
) -> None:
    scenes.admitted("asha")
    aside.setenv("REDIS_URL", f"redis://{silence if how == 'is silent' else '127.0.0.1:1'}/0")
    forget_configuration()
    begun = time.monotonic()
    found = scrape()
    # The deadline is 1.5 s; a busy machine adds to it.
    assert time.monotonic() - begun < 5
    assert by_label(found, "weelo_up") == {"postgres": 1, "redis": 0}
    assert by_label(found, "weelo_admissions")["queued"] == 1
    assert by_label(found, "weelo_queue_length") == {}
    assert by_label(found, "weelo_sockets") == {"customer": 0, "driver": 0}


@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_without_postgres_the_other_figures_come_within_three_seconds(
    aside: pytest.MonkeyPatch, silence: str, how: str
) -> None:
    address = silence if how == "is silent" else "127.0.0.1:1"
    aside.setenv("DATABASE_URL", f"postgresql://weelo@{address}/weelo")
    forget_configuration()
    begun = time.monotonic()
    found = scrape()
    # The deadline is 1.5 s; a busy machine adds to it.
    assert time.monotonic() - begun < 5
    assert by_label(found, "weelo_up") == {"postgres": 0, "redis": 1}
    assert by_label(found, "weelo_queue_length") == {"orders": 0, "sweeps": 0}
    assert by_label(found, "weelo_admissions") == {}


def test_a_broker_of_its_own_is_asked_for_the_queues(aside: pytest.MonkeyPatch) -> None:
    aside.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    forget_configuration()
    found = scrape()
    assert by_label(found, "weelo_up") == {"postgres": 1, "redis": 0}
    assert not live.breaker.is_open
