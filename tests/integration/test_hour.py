"""The last hour of the operators' figures: a sample of each minute, and how many trucks were taken."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models import clock, live
from tasks import sweeps
from tests import scenes
from tests.clients import Caller
from workers.offers import accepting
from workers.orders import cancelling, expiring
from workers.reading import hour

pytestmark = pytest.mark.usefixtures("aside")

RARE = ("TRUCK", "OPEN_19FT")


def asked() -> dict[str, Any]:
    answer: Any = Caller("ops", "olga").get("/ops/hour")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json["data"]
    return found


def test_trucks_count_as_asked_for_when_the_search_is_over() -> None:
    scenes.driver("one")
    half = scenes.placed("half", trucks=2).order_id
    accepting.accept("one", half)
    scenes.placed("searching", vehicle=RARE)
    assert (asked()["trucksAsked"], asked()["trucksTaken"]) == (0, 0)
    expiring.end_now(half, "olga")
    cancelling.cancel("off", scenes.placed("off", trucks=3, vehicle=RARE).order_id, "rain")
    assert (asked()["trucksAsked"], asked()["trucksTaken"]) == (5, 1)
    later = hour.hour(datetime.now(UTC) + timedelta(minutes=62))
    assert (later["trucksAsked"], later["trucksTaken"], later["minutes"]) == (0, 0, [])


def test_a_minute_has_one_sample_and_none_without_redis() -> None:
    assert asked()["minutes"] == []
    scenes.placed("searching", vehicle=RARE)
    sweeps.sample()
    scenes.placed("another", vehicle=RARE)
    sweeps.sample()
    minutes = asked()["minutes"]
    # Two where the samples were of two minutes.
    assert len(minutes) <= 2
    newest = minutes[-1]
    assert (newest["searching"], newest["expired"], newest["ordersPerMinute"]) == (2, 0, 2)
    assert newest["p50Ms"] is None
    assert newest["at"].endswith(":00.000Z")
    live.commands().flushdb()
    assert asked()["minutes"] == []


def test_minutes_that_are_over_are_not_counted_again() -> None:
    asked()
    kept = set(live.commands().scan_iter("figures:trucks:*"))
    assert 52 <= len(kept) <= 56
    youngest = max(kept)[-16:]
    assert youngest <= f"{clock.now() - timedelta(minutes=6):%Y-%m-%dT%H:%M}"
