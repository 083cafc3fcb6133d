"""Recorded cabs: their clock, tracks, shifts and ids, and where they are between trips."""

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

from tools.replay.cabs import GRACE_S, RETURN_KMH, Track, Whereabouts, cabs, driver_id
from tools.replay.clock import Clock
from tools.replay.places import Place, between, distance_km, towards, within_km
from tools.replay.positions import Positions
from tools.replay.reading import Ping
from tools.replay.sockets import Socket
from tools.replay.window import Span

HERE = Place(28.5, 77.3)
NORTH = Place(28.6, 77.3)
WINDOW = Span(10_000.0, 20_000.0)


def track(*points: tuple[float, Place]) -> Track:
    found = Track()
    for at, place in points:
        found.add(at, place)
    return found


def test_recorded_time_runs_as_many_times_faster_as_asked() -> None:
    now = 100.0
    clock = Clock(5000.0, 60.0, lambda: now)
    assert clock.now() == 5000.0
    now = 130.0
    assert clock.now() == 5000.0, "the clock stands until it is started"
    clock.start(after=2.0)
    assert clock.now() == 5000.0 - 120.0
    now = 142.0
    assert clock.now() == 5600.0
    assert clock.seconds_until(6200.0) == 10.0
    assert clock.at(133.0) == pytest.approx(5060.0)
    assert clock.real(600.0) == 10.0


def test_a_track_gives_the_last_recorded_position_whatever_order_it_was_read_in() -> None:
    found = track((30.0, NORTH), (10.0, HERE), (20.0, Place(28.55, 77.3)))
    assert [found.at(at) for at in (0.0, 10.0, 19.9, 29.9, 99.0)] == [
        HERE,
        HERE,
        HERE,
        Place(28.55, 77.3),
        NORTH,
    ]


def test_a_shift_lasts_from_the_first_ping_to_ten_minutes_after_the_last() -> None:
    (cab,) = cabs([Ping(13_000.0, "a", HERE), Ping(12_000.0, "a", NORTH)], WINDOW)
    assert cab.shift == Span(12_000.0, 13_000.0 + GRACE_S)


def test_a_cab_with_pings_at_the_edges_of_the_window_is_there_throughout() -> None:
    (cab,) = cabs([Ping(10_599.0, "a", HERE), Ping(19_500.0, "a", NORTH)], WINDOW)
    assert cab.shift == Span(WINDOW.begins, float("inf"))


def test_a_cab_with_a_ping_just_before_the_window_is_there_at_that_place() -> None:
    (cab,) = cabs([Ping(9_900.0, "a", NORTH)], WINDOW)
    assert cab.shift == Span(WINDOW.begins, 9_900.0 + GRACE_S)
    assert cab.track.at(WINDOW.begins) == NORTH


def test_a_cab_with_pings_long_before_or_after_the_window_is_not_there() -> None:
    assert cabs([Ping(9_399.0, "a", HERE), Ping(20_001.0, "a", HERE)], WINDOW) == []


@pytest.mark.parametrize("recorded", ["cab 1", "Ünal", "a" * 29, "x;y", "टैक्सी", "../..", "a\udcffb"])
def test_any_recorded_id_becomes_a_valid_subject_of_its_own(recorded: str) -> None:
    made = driver_id(recorded)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", made)
    assert made != driver_id(recorded + "x")
    assert made != driver_id(made)


def test_a_plain_id_stays_readable() -> None:
    assert driver_id("abboip_1-A") == "cab-abboip_1-A"
    assert driver_id("A") != driver_id("a")


def test_a_free_driver_is_where_the_recording_has_them() -> None:
    where = Whereabouts(track((0.0, HERE), (60.0, NORTH)))
    assert (where.at(59.0), where.at(60.0)) == (HERE, NORTH)


def test_a_driver_on_a_trip_is_between_its_ends() -> None:
    where = Whereabouts(track((0.0, HERE)))
    where.drive(NORTH, 100.0, 200.0)
    assert where.at(100.0) == HERE
    assert where.at(200.0).latitude == pytest.approx(28.55)
    assert where.at(400.0) == NORTH


def test_after_a_trip_a_driver_drives_back_to_their_track_and_does_not_jump() -> None:
    where = Whereabouts(track((0.0, HERE)))
    where.drive(NORTH, 0.0, 10.0)
    where.stop(10.0)
    assert where.at(10.0) == NORTH
    hour = distance_km(NORTH, HERE) / RETURN_KMH
    halfway = where.at(10.0 + 1800 * hour)
    assert distance_km(halfway, HERE) == pytest.approx(distance_km(NORTH, HERE) / 2, rel=1e-3)
    assert where.at(10.0 + 3700 * hour) == HERE


def test_distances_are_right_across_the_antimeridian() -> None:
    west, east = Place(0.0, 179.9), Place(0.0, -179.9)
    assert distance_km(west, east) == pytest.approx(22.239, abs=0.01)
    assert between(west, east, 0.75).longitude == pytest.approx(-179.95)
    assert towards(west, east, 1000) == east
    assert within_km(west, east, 23)
    assert not within_km(west, east, 22)


def test_within_agrees_with_the_distance_north_and_south() -> None:
    km = distance_km(HERE, NORTH)
    assert within_km(HERE, NORTH, km + 1e-6)
    assert not within_km(HERE, NORTH, km - 1e-6)


class Phone(Socket):
    """A socket that notes what is sent, while it works."""

    def __init__(self) -> None:
        super().__init__("", lambda: "", lambda _: None, Counter())
        self.works = True
        self.sent: list[str] = []

    async def send(self, kind: str, data: dict[str, Any]) -> bool:
        self.sent += [kind] if self.works else []
        return self.works


def test_positions_are_sent_when_they_change_and_heartbeats_when_they_do_not() -> None:
    moments, phone = [0.0], Phone()
    clock = Clock(0.0, 1.0, lambda: moments[-1])
    clock.start()
    told = Positions(clock, Whereabouts(track((0.0, HERE), (100.0, NORTH))), phone)
    sent = []
    for at in (0.0, 1.0, 15.0, 16.0, 100.0, 101.0, 115.0):
        moments.append(at)
        asyncio.run(told.say())
        sent.append(len(phone.sent))
    assert sent == [1, 1, 2, 2, 3, 3, 4]
    assert phone.sent == ["update_location", "heartbeat", "update_location", "heartbeat"]


def test_a_position_that_could_not_be_sent_is_said_again() -> None:
    phone = Phone()
    told = Positions(Clock(0.0, 1.0), Whereabouts(track((0.0, HERE))), phone)
    phone.works = False
    asyncio.run(told.say())
    phone.works = True
    asyncio.run(told.say())
    assert phone.sent == ["update_location"]
