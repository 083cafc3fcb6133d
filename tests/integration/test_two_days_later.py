"""The same key long after: Redis has forgotten it, Postgres has not."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from models import live
from tests import scenes
from tests.worker_at_hand import worker_at_hand
from web import create_app
from web.identity.issuing import issue
from web.wakeups import wakeups
from workers import cleaning
from workers.orders import expiring

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(autouse=True)
def _worker_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    worker_at_hand(monkeypatch)
    monkeypatch.setattr(wakeups, "expect", lambda order_id: nullcontext())


def post(key: str, trucks: int = 1, **headers: str) -> TestResponse:
    authorization = f"Bearer {issue('customer', 'asha', timedelta(hours=1))}"
    sent = {"Authorization": authorization, "X-Idempotency-Key": key, "Prefer": "wait=0", **headers}
    return create_app().test_client().post("/api/v1/orders", json=scenes.body(trucks), headers=sent)


def pass_time(**time: float) -> None:
    """What the sweeps and the cleaning do with the clock so much later, and an empty Redis."""
    now = datetime.now(UTC) + timedelta(**time)
    for order_id in expiring.due(now):
        assert expiring.expire(order_id, now)
    cleaning.forget_admissions(now)
    live.commands().flushall()


def same(first: TestResponse, again: TestResponse) -> bool:
    assert again.headers["Idempotent-Replayed"] == "true"
    return (again.status_code, again.data, again.headers["Location"]) == (
        first.status_code,
        first.data,
        first.headers["Location"],
    )


@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}], ids=["201", "202"])
def test_two_days_later_the_same_key_gets_the_same_answer(headers: dict[str, Any]) -> None:
    first = post("k", **headers)
    assert first.status_code == (202 if headers else 201)
    pass_time(days=2)
    assert same(first, post("k", **headers))


def test_two_days_later_the_same_key_with_another_payload_is_refused() -> None:
    assert post("k").status_code == 201
    pass_time(days=2)
    assert post("k", trucks=2).status_code == 422


def test_after_the_retention_the_key_is_new() -> None:
    first = post("k")
    pass_time(hours=73)
    again = post("k")
    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again.headers
    assert again.headers["Location"] != first.headers["Location"]
