"""What a client meets while more orders come than can be answered in time."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import text

from models import db, live
from models.live import refusals
from server import hangup
from server.hangup import LOOKED_AT_AFTER_SECONDS
from tests import scenes
from tests.clients import Caller
from tests.worker_at_hand import worker_at_hand
from web.http.request_counters import counters
from web.limits import shedding
from web.limits.backlog import Backlog, backlog

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(autouse=True)
def _worker_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    worker_at_hand(monkeypatch)


@contextmanager
def overload(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No new order has room for the time of the block."""
    with monkeypatch.context() as patched:
        patched.setattr(Backlog, "is_full", lambda self: True)
        yield


def post(customer: Caller, key: str | None = None, **changes: Any) -> Any:
    return customer.post("/orders", scenes.body(**changes), **({"X_Idempotency_Key": key} if key else {}))


def admissions() -> int:
    with db.statements() as connection:
        return int(connection.execute(text("SELECT count(*) FROM admissions")).scalar_one())


def refusals_for(reason: str) -> float:
    """How many orders were refused for this reason, as ``/metrics`` tells it."""
    samples = [sample for metric in counters.collect() for sample in metric.samples]
    return next(
        sample.value
        for sample in samples
        if sample.name == "weelo_orders_refused_total" and sample.labels == {"reason": reason}
    )


def test_a_new_order_is_refused_before_any_work_and_placed_under_the_same_key_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asha = Caller("customer", "asha")
    with overload(monkeypatch):
        before = refusals_for("full")
        refused = post(asha, "k")
        assert (refused.status_code, refused.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        least, most = shedding.RETRY_SECONDS
        assert least <= int(refused.headers["Retry-After"]) <= most
        assert refused.json["error"]["data"]["retryAfter"] == int(refused.headers["Retry-After"])
        assert admissions() == 0
        assert not live.commands().exists("order:create:asha")
        assert refusals_for("full") == before + 1
    assert post(asha, "k").status_code == 201


def test_operators_see_that_orders_are_refused() -> None:
    refusals.add(7)
    seen: Any = Caller("ops", "olga").get("/ops/overview").json
    counters = seen["data"]["counters"]
    assert counters["ordersRefused"] == 7
    assert 0 < cast("int", live.commands().ttl("orders:refused")) <= 60
    live.commands().delete("orders:refused")
    assert refusals.count() == 0


def test_a_key_that_was_answered_is_answered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asha = Caller("customer", "asha")
    first = post(asha, "k")
    assert first.status_code == 201
    with overload(monkeypatch):
        again = post(asha, "k")
        assert (again.status_code, again.json["data"]) == (201, first.json["data"])
        assert again.headers["Idempotent-Replayed"] == "true"
        assert post(asha, "k", trucks=2).json["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_a_repeat_of_a_key_that_is_on_its_way_is_not_a_new_order(monkeypatch: pytest.MonkeyPatch) -> None:
    asha = Caller("customer", "asha")
    with overload(monkeypatch), backlog.entered(("asha", "k")):
        assert post(asha, "k").status_code == 201


def test_everybody_else_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    asha = Caller("customer", "asha")
    scenes.driver("ravi")
    order_id = post(asha).json["data"]["order"]["id"]
    with overload(monkeypatch):
        assert Caller("driver", "ravi").post(f"/orders/{order_id}/accept").status_code == 200
        assert asha.get(f"/orders/{order_id}").status_code == 200
        assert Caller("ops", "olga").get("/ops/overview").status_code == 200
        assert asha.post(f"/orders/{order_id}/cancel", {"reason": "changed my mind"}).status_code == 200


def test_a_client_that_has_hung_up_while_it_waited_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    now = 100.0
    monkeypatch.setattr(hangup, "time", SimpleNamespace(monotonic=lambda: now))
    has_hung_up = hangup.watch({"gunicorn.socket": ours})
    now += LOOKED_AT_AFTER_SECONDS
    theirs.send(b"the next request")
    assert not has_hung_up()
    theirs.close()
    assert has_hung_up()
    now -= LOOKED_AT_AFTER_SECONDS / 2
    assert not has_hung_up(), "below that time nobody is asked"
    ours.close()
