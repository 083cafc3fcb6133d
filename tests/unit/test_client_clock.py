"""Counting down on a device whose clock is wrong."""

from datetime import UTC, datetime, timedelta

import pytest
from weelo_client import ServerClock

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def iso(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Device:
    """A monotonic clock that begins anywhere."""

    def __init__(self) -> None:
        self.seconds = 5000.0

    def __call__(self) -> float:
        return self.seconds


def test_the_fastest_frame_decides_and_old_ones_do_no_harm() -> None:
    device = Device()
    clock = ServerClock(device)
    clock.note(iso(-0.8))
    assert clock.seconds_left(iso(60)) == pytest.approx(60.8)
    clock.note(iso(-0.1))
    clock.note(iso(-40))
    assert clock.seconds_left(iso(60)) == pytest.approx(60.1)
    device.seconds += 20
    assert clock.seconds_left(iso(60)) == pytest.approx(40.1)


def test_a_date_header_is_good_to_half_a_second() -> None:
    clock = ServerClock(Device())
    clock.note_date("Sat, 31 Jan 2026 12:00:00 GMT")
    assert clock.now() == pytest.approx(NOON.timestamp(), abs=0.51)


def test_time_that_is_over_is_not_below_zero() -> None:
    clock = ServerClock(Device())
    clock.note(iso(0))
    assert clock.seconds_left(iso(-5)) == 0


def test_a_clock_that_knows_nothing_says_so() -> None:
    with pytest.raises(LookupError):
        ServerClock(Device()).now()
