"""The greedy dispatcher: small worlds worked out by hand, and what holds in any world."""

import asyncio
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.settings import Settings
from tools.replay.api import Answer, Api
from tools.replay.cabs import RETURN_KMH, Cab, Track, Whereabouts
from tools.replay.clock import Clock
from tools.replay.driving import CITY_KMH, LOADING_S, UNLOADING_S, Job, drive
from tools.replay.greedy import REACH_KM, SEARCH_S, WAVE_EVERY_S, Ride, Shares, simulate
from tools.replay.ledger import Ledger, Order, Won
from tools.replay.places import KM_PER_DEGREE, ROAD_FACTOR, Place
from tools.replay.reading import Trip
from tools.replay.tokens import Tokens
from tools.replay.window import Span
from tools.replay.world import World
from workers.offers.matching import WAVE_RADII_KM, WAVE_SECONDS

ALWAYS = Span(0.0, float("inf"))
HANDLING_S = LOADING_S + UNLOADING_S


def north(km: float) -> Place:
    """So far north of the equator, at Greenwich."""
    return Place(km / KM_PER_DEGREE, 0.0)


def cab(name: str, *points: tuple[float, Place], shift: Span = ALWAYS) -> Cab:
    track = Track()
    for at, place in points:
        track.add(at, place)
    return Cab(name, track, shift)


def standing(name: str, place: Place, shift: Span = ALWAYS) -> Cab:
    return cab(name, (0.0, place), shift=shift)


def trip(line: int, at: float, pickup: Place, drop: Place, duration_s: float = 100.0) -> Trip:
    return Trip(line, at, pickup, drop, duration_s)


def round_trip(line: int, at: float, duration_s: float = 100.0) -> Trip:
    """From the origin to the origin: its driver is busy for its duration and the handling."""
    return trip(line, at, north(0), north(0), duration_s)


def told(rides: Iterable[Ride]) -> list[tuple[int, str, float]]:
    return [(ride.trip.line, ride.driver_id, ride.given_at) for ride in rides]


def test_each_order_goes_to_the_nearest_who_is_free() -> None:
    cabs = [standing("far", north(3)), standing("near", north(1)), standing("middle", north(-2))]
    trips = [round_trip(line, float(line)) for line in (2, 3, 4)]
    assert told(simulate(trips, cabs, 1.0)) == [(2, "near", 2.0), (3, "middle", 3.0), (4, "far", 4.0)]


def test_of_two_as_near_the_first_is_taken() -> None:
    cabs = [standing("first", north(1)), standing("second", north(1))]
    assert told(simulate([round_trip(2, 0.0)], cabs, 1.0)) == [(2, "first", 0.0)]


@pytest.mark.parametrize(("km", "filled"), [(REACH_KM - 0.01, 1), (REACH_KM + 0.01, 0)])
def test_nobody_beyond_the_widest_wave_is_taken(km: float, filled: int) -> None:
    assert len(simulate([round_trip(2, 0.0)], [standing("a", north(km))], 1.0)) == filled


def test_a_trip_takes_the_way_to_the_pickup_loading_its_duration_and_unloading() -> None:
    (ride,) = simulate([trip(2, 5.0, north(3), north(9), 700.0)], [standing("a", north(1))], 1.0)
    approach_s = 2 * ROAD_FACTOR / CITY_KMH * 3600
    assert ride.ends_at == pytest.approx(5.0 + approach_s + LOADING_S + 700.0 + UNLOADING_S)


@pytest.mark.parametrize(
    ("requested_at", "speed", "given_at"),
    [
        (165.0, 1.0, [220.0]),
        (160.0, 1.0, [220.0]),
        (159.0, 1.0, []),
        (101.0, 2.0, [220.0]),
        (99.0, 2.0, []),
        (1.0, 60.0, [220.0]),
    ],
)
def test_an_order_waits_for_a_driver_as_long_as_the_search_lasts_in_real_time(
    requested_at: float, speed: float, given_at: list[float]
) -> None:
    first, second = round_trip(2, 0.0, 220.0 - HANDLING_S), round_trip(3, requested_at)
    rides = simulate([first, second], [standing("a", north(0))], speed)
    assert [ride.given_at for ride in rides[1:]] == given_at


def test_a_driver_who_gets_free_goes_to_the_order_that_has_waited_longest() -> None:
    trips = [round_trip(2, 0.0), round_trip(3, 1.0), trip(4, 2.0, north(5), north(5))]
    rides = simulate(trips, [standing("a", north(5))], 60.0)
    assert [ride.trip.line for ride in rides] == [2, 3, 4]
    assert rides[1].given_at == rides[0].ends_at


def test_a_driver_who_gets_free_skips_an_order_out_of_reach() -> None:
    trips = [round_trip(2, 0.0), trip(3, 1.0, north(60), north(60)), round_trip(4, 2.0)]
    assert [ride.trip.line for ride in simulate(trips, [standing("a", north(0))], 60.0)] == [2, 4]


def test_after_a_trip_a_driver_is_at_its_drop() -> None:
    cabs = [standing("driven", north(0)), standing("other", north(4))]
    ends_at = 100.0 + HANDLING_S
    trips = [trip(2, 0.0, north(0), north(10)), trip(3, ends_at, north(8), north(8))]
    assert [ride.driver_id for ride in simulate(trips, cabs, 1.0)] == ["driven", "driven"]


def test_after_a_trip_a_driver_goes_back_to_their_track() -> None:
    home_at = 100.0 + HANDLING_S + 10 / RETURN_KMH * 3600
    cabs = [standing("driven", north(0)), standing("other", north(2.1))]
    trips = [trip(2, 0.0, north(0), north(10)), trip(3, home_at, north(1), north(1))]
    assert [ride.driver_id for ride in simulate(trips, cabs, 1.0)] == ["driven", "driven"]


def test_a_driver_moves_with_their_track() -> None:
    cabs = [cab("moves", (0.0, north(9)), (50.0, north(1))), standing("stands", north(4))]
    trips = [round_trip(2, 49.0), round_trip(3, 51.0)]
    assert told(simulate(trips[:1], cabs, 1.0)) == [(2, "stands", 49.0)]
    assert told(simulate(trips[1:], cabs, 1.0)) == [(3, "moves", 51.0)]


def test_an_order_that_found_nobody_looks_again_with_each_wave() -> None:
    comes = cab("a", (0.0, north(60)), (25.0, north(40)))
    assert told(simulate([round_trip(2, 0.0)], [comes], 1.0)) == [(2, "a", 30.0)]
    too_late = cab("a", (0.0, north(60)), (61.0, north(40)))
    assert simulate([round_trip(2, 0.0)], [too_late], 1.0) == []


def test_an_order_waits_for_a_driver_who_comes_on_duty() -> None:
    later = standing("a", north(0), Span(33.0, 500.0))
    assert told(simulate([round_trip(2, 0.0)], [later], 1.0)) == [(2, "a", 33.0)]


def test_no_driver_is_taken_after_their_shift() -> None:
    short = standing("a", north(0), Span(0.0, 100.0))
    assert len(simulate([round_trip(2, 99.0)], [short], 1.0)) == 1
    assert simulate([round_trip(2, 100.0)], [short], 1.0) == []


def test_a_trip_that_outlasts_the_shift_is_the_last() -> None:
    short = standing("a", north(0), Span(0.0, 100.0))
    trips = [round_trip(2, 90.0), round_trip(3, 95.0)]
    assert [ride.trip.line for ride in simulate(trips, [short], 60.0)] == [2]


def test_without_orders_or_cabs_there_are_no_rides() -> None:
    assert simulate([], [standing("a", north(0))], 60.0) == []
    assert simulate([round_trip(2, 0.0)], [], 60.0) == []


def test_he_searches_as_long_as_often_and_as_far_as_the_system() -> None:
    assert Settings.model_fields["order_ttl_seconds"].default == SEARCH_S
    assert WAVE_EVERY_S == WAVE_SECONDS
    assert WAVE_RADII_KM[-1] == REACH_KM


class Agreeable(Api):
    """A system that has every step of a trip, at once."""

    async def send(self, *_: object, **__: object) -> Answer:
        return Answer(200)


def test_his_drivers_take_as_long_as_those_of_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = [0.0]

    async def sleep(seconds: float) -> None:
        wall[0] += seconds

    monkeypatch.setattr("tools.replay.driving.asyncio.sleep", sleep)
    recorded, waits_at = trip(2, 0.0, north(3), north(9), 700.0), standing("a", north(1))
    clock = Clock(0.0, 60.0, lambda: wall[0])
    clock.start()
    world = World(Agreeable("http://127.0.0.1:1"), clock, Ledger(), Tokens(), "run")
    world.ledger.identify(Order(2, "c", recorded.duration_s), "o")
    job = Job("o", "t", recorded.pickup, recorded.drop)
    asyncio.run(drive(world, "", Whereabouts(waits_at.track), job, Won("a", "t")))
    (ride,) = simulate([recorded], [waits_at], 60.0)
    assert clock.now() == pytest.approx(ride.ends_at)


@pytest.mark.parametrize(
    ("shares", "points", "behind"),
    [
        (Shares(100, 97, 100), -3.0, False),
        (Shares(100, 96, 100), -4.0, True),
        (Shares(1000, 969, 1000), -3.1, True),
        (Shares(200, 100, 90), 5.0, False),
        (Shares(3, 0, 0), 0.0, False),
        (Shares(0, 0, 0), 0.0, False),
    ],
)
def test_the_system_may_be_three_points_behind(shares: Shares, points: float, behind: bool) -> None:
    assert shares.points == pytest.approx(points)
    assert shares.behind == behind


# A machine that is busy with something else is no counterexample.
patiently = settings(deadline=None)

MOMENTS = st.integers(0, 900).map(float)
# Some pairs of these cannot reach each other.
PLACES = st.integers(0, 80).map(north)


def trips_among(places: st.SearchStrategy[Place]) -> st.SearchStrategy[list[Trip]]:
    """Up to twelve trips, in order of request."""
    rows = st.lists(st.tuples(MOMENTS, places, places, st.integers(1, 600).map(float)), max_size=12)
    return rows.map(
        lambda found: [
            trip(line, *row) for line, row in enumerate(sorted(found, key=lambda row: row[0]), start=2)
        ]
    )


TRIPS = trips_among(PLACES)
SHIFTS = st.one_of(st.just(ALWAYS), st.builds(lambda a, b: Span(min(a, b), max(a, b) + 1), MOMENTS, MOMENTS))
CABS = st.lists(
    st.tuples(st.lists(st.tuples(MOMENTS, PLACES), min_size=1, max_size=4), SHIFTS), max_size=6
).map(lambda rows: [cab(f"cab-{n}", *points, shift=shift) for n, (points, shift) in enumerate(rows)])
SPEEDS = st.sampled_from([1.0, 10.0, 60.0])


@patiently
@given(TRIPS, CABS, SPEEDS)
def test_no_order_is_given_twice_and_no_driver_two_at_a_time(
    trips: list[Trip], cabs: list[Cab], speed: float
) -> None:
    rides = simulate(trips, cabs, speed)
    lines = [ride.trip.line for ride in rides]
    assert len(lines) == len(set(lines))
    assert 0 <= len(lines) <= len(trips)
    for cab in cabs:
        his = [ride for ride in rides if ride.driver_id == cab.driver_id]
        assert all(before.ends_at <= after.given_at for before, after in pairwise(his))


@patiently
@given(TRIPS, CABS, SPEEDS)
def test_an_order_is_assigned_during_its_search_to_a_driver_at_work(
    trips: list[Trip], cabs: list[Cab], speed: float
) -> None:
    shifts = {cab.driver_id: cab.shift for cab in cabs}
    for ride in simulate(trips, cabs, speed):
        assert ride.trip.requested_at <= ride.given_at <= ride.trip.requested_at + SEARCH_S * speed
        assert shifts[ride.driver_id].begins <= ride.given_at < shifts[ride.driver_id].ends


@patiently
@given(trips_among(st.integers(0, 45).map(north)), st.integers(1, 4), SPEEDS)
def test_an_order_stays_unfilled_only_while_everybody_within_reach_is_busy(
    trips: list[Trip], count: int, speed: float
) -> None:
    rides = simulate(trips, [standing(f"cab-{n}", north(20)) for n in range(count)], speed)
    filled = {ride.trip.line for ride in rides}
    for trip in trips:
        begins, ends = trip.requested_at, trip.requested_at + SEARCH_S * speed
        if trip.line not in filled:
            changes = [ride.ends_at for ride in rides if begins <= ride.ends_at <= ends]
            for moment in (begins, *changes, ends):
                assert sum(ride.given_at <= moment < ride.ends_at for ride in rides) == count


@patiently
@given(TRIPS.filter(bool), CABS, CABS, SPEEDS)
def test_more_drivers_never_leave_a_single_order_unfilled(
    trips: list[Trip], cabs: list[Cab], more: list[Cab], speed: float
) -> None:
    assert len(simulate(trips[:1], cabs, speed)) <= len(simulate(trips[:1], cabs + more, speed))


@patiently
@given(TRIPS, CABS, SPEEDS)
def test_the_same_input_gives_the_same_rides(trips: list[Trip], cabs: list[Cab], speed: float) -> None:
    assert simulate(trips, cabs, speed) == simulate(trips, cabs, speed)
