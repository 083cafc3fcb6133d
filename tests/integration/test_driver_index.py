"""The driver index answers exactly, and holds whom it should and nobody else."""

import math
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from models import geo, live
from models.live import driver_index, driver_search
from models.live.driver_index import NO_SEARCH, Placement, Position
from models.live.driver_search import Nearby

pytestmark = pytest.mark.usefixtures("redis_url")

NOW = 1_764_000_000_000
PRESENCE = 60_000
STALE = NOW - PRESENCE - 1
ACE = driver_index.vehicle_key("TRUCK", "TATA_ACE")
OPEN = driver_index.vehicle_key("TRUCK", "OPEN_17FT")

Point = tuple[float, float]


def commands() -> Any:
    """The client, whose types would have everything awaitable."""
    return live.commands()


def raw(*command: str | int) -> Any:
    """An answer that is no text."""
    return live.run_all([command], decode=False)[0]


def put(
    driver_id: str, point: Point | None, search: str = ACE, seen_ms: int = NOW, as_of_us: int = NOW * 1000
) -> None:
    position = Position(*point, min(seen_ms, NOW)) if point else None
    driver_index.place_all([Placement(driver_id, search, position, seen_ms, as_of_us)])


def near(point: Point, radius_km: float = 5, k: int = 10, vehicle: str = ACE, now_ms: int = NOW) -> list[str]:
    return [found.driver_id for found in nearest(point, radius_km, k, vehicle, now_ms)]


def nearest(point: Point, radius_km: float, k: int, vehicle: str = ACE, now_ms: int = NOW) -> list[Nearby]:
    """From the whole radius, from the density that was found, and from one that is far too high."""
    question = driver_search.Question(vehicle, *point, radius_km, k)
    driver_search._density.clear()
    first, again = (driver_search.nearest([question], now_ms, PRESENCE)[0] for _ in range(2))
    driver_search._density[vehicle, radius_km] = 1e9
    assert first == again == driver_search.nearest([question], now_ms, PRESENCE)[0]
    return first


def brute_force(drivers: dict[str, Point], point: Point, radius_km: float, k: int) -> list[Nearby]:
    everybody = sorted((geo.haversine_km(*point, *where), driver) for driver, where in drivers.items())
    return [Nearby(driver, km) for km, driver in everybody if km <= radius_km][:k]


# --- must show 7: the k nearest, exactly -----------------------------------------------------------

DELHI = (28.6139, 77.2090)


def around(rng: random.Random, point: Point, degrees: float) -> Point:
    latitude = max(-90.0, min(90.0, point[0] + rng.uniform(-degrees, degrees)))
    longitude = (point[1] + rng.uniform(-degrees, degrees) + 540) % 360 - 180
    return latitude, longitude


def anywhere(rng: random.Random) -> Point:
    return math.degrees(math.asin(rng.uniform(-1, 1))), rng.uniform(-180, 180)


def near_a_pole(rng: random.Random) -> Point:
    return rng.choice((-1, 1)) * (90 - 10 ** rng.uniform(-6, 0.7)), rng.uniform(-180, 180)


def on_a_border(rng: random.Random) -> Point:
    """A corner of a geohash cell of some size, near Delhi."""
    size = 2 ** rng.randint(8, 25)
    latitude = round((DELHI[0] + 90) / 180 * size + rng.randint(-2, 2)) / size * 180 - 90
    longitude = round((DELHI[1] + 180) / 360 * size + rng.randint(-2, 2)) / size * 360 - 180
    return latitude, longitude


def on_a_ring(rng: random.Random) -> Point:
    """Everybody almost equally far from Delhi: nothing can be guessed from the density."""
    bearing = rng.uniform(0, 2 * math.pi)
    degrees = 0.03 + rng.uniform(0, 1e-5)
    return (
        DELHI[0] + degrees * math.cos(bearing),
        DELHI[1] + degrees * math.sin(bearing) / math.cos(math.radians(DELHI[0])),
    )


def town_or_country(rng: random.Random) -> Point:
    return around(rng, DELHI, 10 ** rng.uniform(-5, 0.5))


@dataclass
class World:
    """How drivers are spread, and where somebody may ask for them."""

    driver: Callable[[random.Random], Point]
    asked: Callable[[random.Random], Point]


WORLDS = {
    "a city": World(lambda rng: around(rng, DELHI, 0.15), lambda rng: around(rng, DELHI, 0.2)),
    "a country": World(lambda rng: around(rng, DELHI, 10), lambda rng: around(rng, DELHI, 11)),
    "towns and country": World(town_or_country, town_or_country),
    "the whole world": World(anywhere, anywhere),
    "cell borders": World(on_a_border, on_a_border),
    "all in one cell": World(lambda rng: around(rng, DELHI, 3e-6), lambda rng: around(rng, DELHI, 1e-5)),
    "all at one spot": World(lambda rng: DELHI, lambda rng: around(rng, DELHI, 0.05)),
    "a ring": World(on_a_ring, lambda rng: rng.choice((DELHI, on_a_ring(rng)))),
    "the antimeridian": World(
        lambda rng: around(rng, (-17.0, 180.0), 0.3), lambda rng: around(rng, (-17.0, -180.0), 0.3)
    ),
    "high latitudes": World(
        lambda rng: around(rng, (84.0, 20.0), 4), lambda rng: around(rng, (85.0, 20.0), 5)
    ),
    "the poles": World(near_a_pole, lambda rng: rng.choice((near_a_pole(rng), (90.0, 0.0), (-90.0, 77.0)))),
    "an empty city": World(lambda rng: around(rng, (19.0, 72.8), 0.2), lambda rng: around(rng, DELHI, 0.2)),
    "a city seen from the pole": World(
        lambda rng: around(rng, DELHI, 0.1), lambda rng: rng.choice((near_a_pole(rng), (90.0, 77.2)))
    ),
}

DRIVERS = 400
QUESTIONS = 80  # for each of 13 worlds: 1,040
RADII_KM = (0.0, 0.001, 0.5, 5.0, 10.0, 50.0, 400.0, 6000.0, 21000.0)
MOST = (1, 2, 10, 40, 1000)


def populate(rng: random.Random, world: World) -> dict[str, Point]:
    """Drivers of all kinds; those who may be found."""
    to_be_found = {}
    for number in range(DRIVERS):
        driver, point = f"driver-{number}", world.driver(rng)
        match number % 8:
            case 0:
                put(driver, point, seen_ms=STALE)
            case 1:  # busy or unavailable
                put(driver, point, NO_SEARCH)
            case 2:
                put(driver, point, OPEN)
            case _:
                put(driver, point)
                to_be_found[driver] = point
    return to_be_found


@pytest.mark.parametrize("name", WORLDS)
def test_the_k_nearest_are_those_of_a_search_through_everybody(name: str) -> None:
    rng = random.Random(name)
    world = WORLDS[name]
    drivers = populate(rng, world)
    spots = list(drivers.values())
    for number in range(QUESTIONS):
        # Every fourth question comes from where a driver is, to the last bit.
        point = rng.choice(spots) if number % 4 == 0 else world.asked(rng)
        radius_km, k = rng.choice(RADII_KM), rng.choice(MOST)
        assert nearest(point, radius_km, k) == brute_force(drivers, point, radius_km, k), (
            point,
            radius_km,
            k,
        )


def test_a_crowd_of_silent_drivers_hides_nobody_behind_it() -> None:
    rng = random.Random(7)
    for number in range(300):
        put(f"silent-{number}", around(rng, DELHI, 0.002), seen_ms=STALE)
    drivers = {f"driver-{number}": around(rng, DELHI, 0.4) for number in range(60)}
    for driver, point in drivers.items():
        put(driver, point)
    assert nearest(DELHI, 50, 10) == brute_force(drivers, DELHI, 50, 10)


# Fractions of the globe: many equal ones, all of them on borders of cells.
latitudes = st.integers(-64, 64).map(lambda n: n * 90 / 64) | st.floats(-90, 90)
longitudes = st.integers(-64, 64).map(lambda n: n * 180 / 64) | st.floats(-180, 180)
points = st.tuples(latitudes, longitudes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(points, max_size=40), points, st.floats(0, 20100) | st.sampled_from(RADII_KM), st.integers(1, 12)
)
@example([DELHI], DELHI, 5e-324, 1)
@example([DELHI], DELHI, 1e-200, 1)
def test_the_k_nearest_are_exact_wherever_drivers_are(
    where: list[Point], point: Point, radius_km: float, k: int
) -> None:
    commands().flushall()
    drivers = {f"driver-{number}": spot for number, spot in enumerate(where)}
    for driver, spot in drivers.items():
        put(driver, spot)
    assert nearest(point, radius_km, k) == brute_force(drivers, point, radius_km, k)


def test_the_densities_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_search, "MANY_DENSITIES", 3)
    for number in range(10):
        put(f"driver-{number}", DELHI, f"KIND_{number}")
        driver_search.nearest([driver_search.Question(f"KIND_{number}", *DELHI, 5, 1)], NOW, PRESENCE)
        assert len(driver_search._density) <= 3


@pytest.mark.parametrize("latitude", [0.0, 28.6, 57.0, -57.0, -60.0, 84.0, 89.9])
@pytest.mark.parametrize("radius_km", [0.001, 5.0, 50.0, 125.0, 400.0, 6000.0, 9000.0])
def test_the_circle_is_searched_as_far_as_it_goes_in_every_direction(
    latitude: float, radius_km: float
) -> None:
    """Its easternmost point is poleward of the centre, and a pole may be inside."""
    angle = radius_km / geo.EARTH_RADIUS_KM
    bounds = {
        "north": (latitude + math.degrees(angle), 0.0),
        "south": (latitude - math.degrees(angle), 0.0),
    }
    if math.radians(abs(latitude)) + angle < math.pi / 2:
        east = math.degrees(math.asin(math.sin(angle) / math.cos(math.radians(latitude))))
        tangent = math.degrees(math.asin(math.sin(math.radians(latitude)) / math.cos(angle)))
        bounds |= {"east": (tangent, east), "west": (tangent, -east)}
    drivers = {name: point for name, point in bounds.items() if abs(point[0]) <= 90}
    for name, point in drivers.items():
        put(name, point)
    # A millionth more than the radius, for the rounding of the points themselves.
    assert near((latitude, 0.0), radius_km * 1.000001) == [
        found.driver_id for found in brute_force(drivers, (latitude, 0.0), radius_km * 1.000001, 10)
    ]
    assert set(near((latitude, 0.0), radius_km * 1.000001)) == set(drivers)


def test_more_drivers_than_fit_into_one_command_are_all_found() -> None:
    for number in range(1100):
        put(f"driver-{number:04}", DELHI)
    assert near(DELHI, k=2000) == [f"driver-{number:04}" for number in range(1100)]


def test_ties_are_broken_by_id_even_when_there_are_more_than_k() -> None:
    for number in range(200):
        put(f"driver-{number:03}", DELHI)
    assert near(DELHI, k=3) == ["driver-000", "driver-001", "driver-002"]


def test_nobody_and_nothing_is_asked_for() -> None:
    assert near(DELHI) == []
    put("one", DELHI)
    assert near(DELHI, k=0) == []
    assert near(DELHI, radius_km=-1) == []


# --- who may be found ------------------------------------------------------------------------------


def test_a_driver_is_found_until_they_were_silent_for_the_presence_time() -> None:
    put("one", DELHI)
    assert near(DELHI, now_ms=NOW + PRESENCE) == ["one"]
    assert near(DELHI, now_ms=NOW + PRESENCE + 1) == []
    assert driver_index.heard("one", NOW + PRESENCE)
    assert near(DELHI, now_ms=NOW + 2 * PRESENCE) == ["one"]


def test_only_drivers_of_that_vehicle_are_found_whatever_its_case() -> None:
    put("one", DELHI, driver_index.vehicle_key(" Truck", "tata_ace "))
    put("other", DELHI, OPEN)
    assert near(DELHI) == ["one"]


def test_a_driver_who_leaves_the_search_is_found_no_more_and_known_still() -> None:
    put("one", DELHI)
    put("one", DELHI, NO_SEARCH, as_of_us=NOW * 1000 + 1)
    assert near(DELHI) == []
    assert driver_index.update("one", Position(*DELHI, NOW + 1), NOW + 1).outcome == "live"
    assert near(DELHI) == []
    put("one", None, ACE, as_of_us=NOW * 1000 + 2)
    assert near(DELHI) == ["one"]


def test_a_driver_who_changes_the_vehicle_is_found_with_the_new_one_only() -> None:
    put("one", DELHI)
    put("one", DELHI, OPEN, as_of_us=NOW * 1000 + 1)
    assert near(DELHI) == []
    assert near(DELHI, vehicle=OPEN) == ["one"]
    assert index_keys() == {f"drivers:where:{OPEN}", "drivers:heard", "drivers:vehicles"}


def test_a_reading_of_postgres_that_comes_late_undoes_nothing() -> None:
    put("one", DELHI, NO_SEARCH, as_of_us=2000)
    put("one", DELHI, ACE, as_of_us=1999)
    assert near(DELHI) == []
    put("one", DELHI, ACE, as_of_us=2000)
    assert near(DELHI) == ["one"]


def test_a_driver_is_in_no_index_before_their_first_position() -> None:
    put("one", None)
    assert index_keys() == set()
    assert driver_index.last_position("one") is None
    assert driver_index.update("one", Position(*DELHI, NOW), NOW).outcome == "live"
    assert near(DELHI) == ["one"]


def test_rebuilding_from_postgres_makes_no_silent_driver_look_alive() -> None:
    put("one", DELHI, seen_ms=STALE)
    assert near(DELHI) == []
    assert driver_index.heard("one", NOW)
    assert near(DELHI) == ["one"]


def test_rebuilding_from_postgres_keeps_what_redis_knows_better() -> None:
    put("one", DELHI)
    newer = Position(28.7, 77.1, NOW + 500)
    driver_index.update("one", newer, NOW + 1000)
    put("one", DELHI, as_of_us=NOW * 1000 + 1)
    assert driver_index.last_position("one") == newer
    assert driver_index.sweep(NOW + 1000) == 0
    assert near((28.7, 77.1), now_ms=NOW + 1000 + PRESENCE) == ["one"]


# --- positions and signs of life -------------------------------------------------------------------


def index_keys() -> set[str]:
    return set(commands().scan_iter("drivers:*"))


def test_a_driver_redis_does_not_know_is_reported_and_not_written() -> None:
    assert driver_index.update("one", Position(*DELHI, NOW), NOW).outcome == "unknown"
    assert driver_index.update("one", Position(*DELHI, NOW - 70_000), NOW).outcome == "unknown"
    assert not driver_index.heard("one", NOW)
    assert commands().keys("driver*") == []


def test_positions_of_many_are_taken_in_one_call_each_after_the_one_before_it() -> None:
    put("one", DELHI, seen_ms=NOW - 10_000)
    put("two", DELHI, search=NO_SEARCH, seen_ms=NOW - 10_000)
    reports = [
        ("one", Position(28.62, 77.2, NOW - 2)),
        ("nobody", Position(28.62, 77.2, NOW)),
        ("two", Position(28.62, 77.2, NOW)),
        ("one", Position(28.63, 77.2, NOW - 1)),
        ("one", Position(28.64, 77.2, NOW - 3)),
        ("two", Position(29.62, 77.2, NOW + 5)),
    ]
    moves = driver_index.update_all(reports, NOW)
    assert [moved.outcome for moved in moves] == ["live", "unknown", "live", "live", "kept_out", "live"]
    assert [moved.jumped for moved in moves] == [False] * 5 + [True]
    assert driver_index.last_position("one") == Position(28.63, 77.2, NOW - 1)
    assert driver_index.last_position("two") == Position(29.62, 77.2, NOW)
    assert near((28.63, 77.2)) == ["one"]
    assert driver_index.update_all([], NOW) == []
    assert not commands().exists("driver:nobody")


@pytest.mark.parametrize(
    ("at_ms", "why"), [(NOW + 29_999, "older than the last one"), (NOW - 30_001, "older than a minute")]
)
def test_an_old_position_is_ignored_but_renews_its_drivers_presence(at_ms: int, why: str) -> None:
    put("one", DELHI, seen_ms=NOW - 40_000)
    there = (28.7, 77.1)
    now = NOW + 30_000
    if why == "older than the last one":
        driver_index.update("one", Position(*DELHI, now), now)
    assert driver_index.update("one", Position(*there, at_ms), now).outcome == "kept_out"
    assert near(there, now_ms=now) == []
    assert near(DELHI, now_ms=now + PRESENCE) == ["one"]


def test_a_clock_that_is_ahead_does_not_shut_its_driver_out_later() -> None:
    put("one", DELHI)
    assert driver_index.update("one", Position(28.7, 77.1, NOW + 50_000), NOW).outcome == "live"
    assert driver_index.update("one", Position(28.8, 77.1, NOW + 1000), NOW + 1000).outcome == "live"
    assert driver_index.last_position("one") == Position(28.8, 77.1, NOW + 1000)


@pytest.mark.parametrize("wrong", [(math.nan, 77.0), (28.0, math.inf), (91.0, 77.0), (28.0, -180.5)])
def test_what_is_no_place_changes_nothing(wrong: Point) -> None:
    put("one", DELHI)
    with pytest.raises(ValueError, match=r"itude must be"):
        driver_index.update("one", Position(*wrong, NOW + 1), NOW + 1)
    assert driver_index.last_position("one") == Position(*DELHI, NOW)
    assert near(DELHI) == ["one"]


def test_the_index_equals_the_last_positions_sent_after_many_moves() -> None:
    rng = random.Random(8)
    last: dict[str, Position] = {}
    for number in range(40):
        put(f"driver-{number}", around(rng, DELHI, 0.3))
    for step in range(1, 1001):
        driver = f"driver-{rng.randrange(40)}"
        at_ms = NOW + step * 100 - rng.choice((0, 0, 0, 5000))
        # Half of them stay in their cell, the others cross into another.
        degrees = rng.choice((1e-7, 0.2))
        before = last.get(driver)
        point = around(rng, (before.latitude, before.longitude) if before else DELHI, degrees)
        outcome = driver_index.update(driver, Position(*point, at_ms), NOW + step * 100).outcome
        newest = before is None or at_ms >= before.at_ms
        if at_ms < NOW:  # older than what the driver was placed with
            newest = False
        assert outcome == ("live" if newest else "kept_out")
        if newest:
            last[driver] = Position(*point, at_ms)
    assert len(last) == 40
    now = NOW + 100_000
    for driver, position in last.items():
        driver_index.heard(driver, now)
        assert driver_index.last_position(driver) == position
    everywhere = {driver: (at.latitude, at.longitude) for driver, at in last.items()}
    assert nearest(DELHI, 21000, 100, now_ms=now) == brute_force(everywhere, DELHI, 21000, 100)
    cells = raw("ZRANGE", f"drivers:where:{ACE}", 0, -1, "WITHSCORES")
    assert {
        member[24:].decode(): int(score) for member, score in zip(cells[::2], cells[1::2], strict=True)
    } == {driver: geo.cell(*point) for driver, point in everywhere.items()}
    assert {struct.unpack_from("<ddd", member)[:2] for member in cells[::2]} == set(everywhere.values())


# --- the sweep, and what is left behind ------------------------------------------------------------


def test_the_sweep_drops_the_silent_and_their_next_word_brings_them_back() -> None:
    put("silent", DELHI, seen_ms=NOW - 61_000)
    put("alive", DELHI, seen_ms=NOW - 60_000)
    assert driver_index.sweep(NOW - PRESENCE) == 1
    assert driver_index.sweep(NOW - PRESENCE) == 0
    assert [member[24:] for member in raw("ZRANGE", f"drivers:where:{ACE}", 0, -1)] == [b"alive"]
    assert driver_index.heard("silent", NOW)
    assert near(DELHI) == ["alive", "silent"]


def test_the_sweep_takes_the_longest_silent_first_and_leaves_no_key() -> None:
    for number in range(5):
        put(f"driver-{number}", DELHI, OPEN if number % 2 else ACE, seen_ms=NOW - 100_000 + number)
    assert driver_index.sweep(NOW, limit=3) == 3
    assert commands().zrange("drivers:heard", 0, -1) == [f"{OPEN}|driver-3", f"{ACE}|driver-4"]
    assert driver_index.sweep(NOW, limit=3) == 2
    assert index_keys() == set()


def test_a_drivers_data_outlives_their_index_entry_and_expires_in_the_end() -> None:
    put("one", DELHI)
    put("two", DELHI, NO_SEARCH)
    put("three", None)
    short, long = driver_index.DRIVER_TTL_SECONDS, driver_index.INDEXED_TTL_SECONDS
    for _ in range(2):
        assert short < commands().ttl("driver:one") <= long
        assert 0 < commands().ttl("driver:two") <= short
        assert 0 < commands().ttl("driver:three") <= short
        for driver in ("one", "two", "three"):
            driver_index.heard(driver, NOW)
    assert driver_index.sweep(NOW + 1) == 1
    assert 0 < commands().ttl("driver:one") <= short
    driver_index.heard("one", NOW)
    assert short < commands().ttl("driver:one") <= long
    put("one", None, NO_SEARCH, as_of_us=NOW * 1000 + 1)
    assert 0 < commands().ttl("driver:one") <= short


def test_a_driver_who_stays_in_the_index_is_never_forgotten() -> None:
    put("one", DELHI)
    for hour in range(1, 4):
        commands().expire("driver:one", 100)
        driver_index.heard("one", NOW + hour * 3_600_000)
        assert commands().ttl("driver:one") > driver_index.INDEXED_TTL_SECONDS - 10


def test_a_driver_whose_key_was_lost_alone_is_put_back_all_the_same() -> None:
    put("one", DELHI)
    commands().delete("driver:one")
    assert not driver_index.heard("one", NOW)
    put("one", DELHI)
    assert near(DELHI) == ["one"]
    assert commands().ttl("driver:one") > driver_index.DRIVER_TTL_SECONDS


def test_positions_are_stored_to_the_last_bit() -> None:
    point = (math.nextafter(28.6, 29), math.nextafter(77.2, 78))
    put("one", point)
    assert driver_index.last_position("one") == Position(*point, NOW)
    assert raw("ZRANGE", f"drivers:where:{ACE}", 0, -1) == [struct.pack("<ddd", *point, NOW) + b"one"]
    assert near(point, radius_km=0) == ["one"]
