"""Hosts whose clocks are half a minute apart agree about what is old: they go by Postgres' clock."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from celery.beat import ScheduleEntry
from celery.schedules import schedule

from models import clock, db, live
from models.live.driver_index import Position
from tasks import app, sweeps
from tasks.celery_patches.beat import MOST_WAITING, QUEUE, SweepScheduler
from tests import scenes
from web.schemas.bodies import ReportedPosition
from web.schemas.fields import FUTURE_SECONDS, PAST_DAYS
from workers import cleaning, revoking
from workers.drivers import locating, registering
from workers.offers import matching
from workers.offers.matching import WaveSearch
from workers.reading import figures

pytestmark = pytest.mark.usefixtures("clean")

TRUCK = SimpleNamespace(id="t1", vehicle="truck:tata_ace", price_per_truck=Decimal(500))
ACE = WaveSearch("o1", 1, 1, *scenes.NOIDA, trucks=[TRUCK])
# The host's clock in this test, in seconds from the true one.
BEHIND, RIGHT, AHEAD = -30, 0, 30


class Host:
    """Sets what the host of this process takes for the time."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch, self._time, self._time_ns = patch, time.time, time.time_ns
        self.true = time.time

    def wrong_by(self, seconds: float) -> None:
        self._patch.setattr(time, "time", lambda: self._time() + seconds)
        self._patch.setattr(time, "time_ns", lambda: self._time_ns() + int(seconds * 1e9))
        clock.forget()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    yield Host(monkeypatch)
    clock.forget()


@pytest.mark.parametrize("wrong_by", [BEHIND, AHEAD])
def test_the_time_and_ids_are_those_of_postgres(host: Host, wrong_by: float) -> None:
    host.wrong_by(wrong_by)
    assert abs(clock.seconds() - host.true()) < 1
    assert abs(clock.now_ms() / 1000 - host.true()) < 1
    made = UUID(clock.new_id()).int >> 80
    assert abs(made / 1000 - host.true()) < 1


def test_lists_by_id_are_lists_by_time_whichever_host_made_the_ids(host: Host) -> None:
    ids = []
    for wrong_by in (AHEAD, BEHIND, RIGHT):
        host.wrong_by(wrong_by)
        ids.append(clock.new_id())
        time.sleep(0.002)
    assert ids == sorted(ids)


@pytest.mark.parametrize(("web", "worker"), [(BEHIND, RIGHT), (AHEAD, BEHIND), (RIGHT, AHEAD)])
def test_a_drivers_silence_is_the_same_on_every_clock(host: Host, web: float, worker: float) -> None:
    host.wrong_by(web)
    for driver, seconds in (("heard", 45), ("silent", 75)):
        registering.register(driver, "Ravi", "+911234567890", "TRUCK", "TATA_ACE", "DL 1 AB 1234")
        registering.set_available(driver, True)
        then_ms = clock.now_ms() - seconds * 1000
        locating.update(driver, Position(*scenes.NOIDA, then_ms), then_ms)
    host.wrong_by(worker)
    assert [found.driver_id for found in matching.find([ACE])[0]] == ["heard"]
    assert figures.heard() == 1
    assert cleaning.drop_silent_drivers() == 1


@pytest.mark.parametrize("wrong_by", [BEHIND, AHEAD])
def test_a_position_is_as_old_as_it_is(host: Host, wrong_by: float) -> None:
    host.wrong_by(wrong_by)

    def at(seconds: float) -> str:
        return datetime.fromtimestamp(host.true() + seconds, UTC).isoformat()

    for allowed in (FUTURE_SECONDS - 5, 5 - PAST_DAYS * 86_400):
        ReportedPosition(latitude=1.0, longitude=1.0, at=at(allowed))
    for refused in (FUTURE_SECONDS + 5, -5 - PAST_DAYS * 86_400):
        with pytest.raises(ValueError, match="lies more than"):
            ReportedPosition(latitude=1.0, longitude=1.0, at=at(refused))
    registering.register("ravi", "Ravi", "+911234567890", "TRUCK", "TATA_ACE", "DL 1 AB 1234")
    for seconds, outcome in ((-65, "kept_out"), (-55, "live"), (0, "live")):
        sent = ReportedPosition(latitude=1.0, longitude=1.0, at=at(seconds)).position(clock.now_ms())
        assert locating.update("ravi", sent, clock.now_ms()).outcome == outcome


def test_a_token_that_was_called_back_is_known_until_every_clock_lets_it_run_out() -> None:
    revoking.revoke("one", datetime.now(UTC) - timedelta(seconds=30))
    assert [token.token_id for token in revoking.since(None)] == ["one"]
    assert revoking.forget() == 0


def test_beat_sends_sweeps_that_no_clock_throws_away() -> None:
    assert all("expires" not in entry.get("options", {}) for entry in app.conf.beat_schedule.values())


def test_of_the_same_sweep_from_the_queue_one_in_half_a_second_works() -> None:
    scenes.placed("asha")
    overdue()
    assert sweeps.each_second.apply().get()["expire"] == 1
    scenes.placed("asha")
    overdue()
    assert sweeps.each_second.apply().get() == 0
    time.sleep(0.55)
    assert sweeps.each_second.apply().get()["expire"] == 1


def overdue() -> None:
    with db.statements() as connection:
        connection.exec_driver_sql("UPDATE orders SET expires_at = now() WHERE searching")


class Noting(SweepScheduler):
    """Beat's clock, which notes what it would send."""

    def __init__(self) -> None:
        self.sent: list[str | None] = []
        super().__init__(app, lazy=True)

    def apply_async(self, entry: ScheduleEntry, *_: Any, **__: Any) -> None:
        self.sent.append(entry.name)


def test_sweeps_that_no_worker_takes_do_not_fill_redis() -> None:
    beat = Noting()
    entry = ScheduleEntry("each_second", "sweeps.each_second", schedule=schedule(1.0), app=app)
    live.commands().rpush(QUEUE, *["a sweep"] * (MOST_WAITING - 1))
    beat.apply_entry(entry)
    live.commands().rpush(QUEUE, "one more")
    beat.apply_entry(entry)
    assert beat.sent == ["each_second"]
