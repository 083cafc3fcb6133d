"""A replay that is too fast for its drivers' answers says so, and which speed fits."""

import pytest

from tools.replay.cabs import Cab, Track
from tools.replay.greedy import Shares, simulate
from tools.replay.pace import ANSWER_S, SPEEDS, fitting
from tools.replay.places import Place
from tools.replay.reading import Trip
from tools.replay.window import Span

HERE, THERE = Place(12.97, 77.59), Place(12.99, 77.61)


def standing(name: str, at: Place = HERE) -> Cab:
    track = Track()
    track.add(0.0, at)
    return Cab(name, track, Span(0.0, float("inf")))


def one_drivers_day(gap_s: float) -> list[Trip]:
    """Sixteen trips back and forth of one driver, as recorded: the next one soon after the one before."""
    return [
        Trip(number, number * gap_s, *((HERE, THERE) if number % 2 else (THERE, HERE)), 600.0)
        for number in range(16)
    ]


def shares(trips: list[Trip], cabs: list[Cab], speed: float) -> Shares:
    filled = [len(simulate(trips, cabs, speed, answer_s)) for answer_s in (ANSWER_S, 0.0)]
    return Shares(len(trips), *filled)


def test_one_driver_at_120_times_the_speed_is_too_fast_and_a_lower_one_fits() -> None:
    trips, cabs = one_drivers_day(1500.0), [standing("d1")]
    assert shares(trips, cabs, 120).behind
    fits = fitting(trips, cabs, 120)
    assert fits in SPEEDS
    assert fits is not None
    assert not shares(trips, cabs, fits).behind
    assert shares(trips, cabs, SPEEDS[SPEEDS.index(int(fits)) + 1]).behind


def test_many_drivers_have_the_time_to_answer() -> None:
    assert fitting(one_drivers_day(1500.0), [standing(f"d{number}") for number in range(20)], 120) is None


@pytest.mark.parametrize("speed", [1, 0.5])
def test_there_is_no_speed_below_the_slowest(speed: float) -> None:
    far = [standing("d1", Place(13.37, 77.59))]
    assert fitting(one_drivers_day(20.0), far, speed) is None


def test_a_wave_has_its_radius_and_an_answer_its_time() -> None:
    trip = one_drivers_day(1.0)[1]
    # 12 km away: the third wave, 20 s after the first, asks this driver.
    (ride,) = simulate([trip], [standing("d1", Place(13.08, 77.59))], 10, ANSWER_S)
    (at_once,) = simulate([trip], [standing("d1", Place(13.08, 77.59))], 10)
    assert ride.given_at - trip.requested_at == 200
    assert ride.ends_at - ride.given_at == pytest.approx(at_once.ends_at - at_once.given_at + 10 * ANSWER_S)
