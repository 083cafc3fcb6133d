"""Distances on the globe, and geohashes as numbers."""

import math

import pygeohash
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import geo

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)

QUARTER = math.pi / 2 * geo.EARTH_RADIUS_KM


@pytest.mark.parametrize(
    ("start", "end", "km"),
    [
        ((0, 0), (0, 0), 0),
        ((0, 0), (90, 0), QUARTER),
        ((90, 0), (90, 123), 0),
        ((0, 179.5), (0, -179.5), QUARTER / 90),
        ((0, 0), (0, 180), 2 * QUARTER),
        ((-90, 10), (90, -50), 2 * QUARTER),
        # New Delhi to Mumbai and Paris to New York, by the vector formula instead.
        ((28.6139, 77.2090), (19.0760, 72.8777), 1148.0964589),
        ((48.8566, 2.3522), (40.7128, -74.0060), 5837.2489666),
    ],
)
def test_distance_is_the_great_circle(
    start: tuple[float, float], end: tuple[float, float], km: float
) -> None:
    assert geo.haversine_km(*start, *end) == pytest.approx(km, abs=1e-6)


@given(latitudes, longitudes, latitudes, longitudes)
def test_distance_is_the_same_both_ways_and_never_more_than_half_the_globe(
    latitude: float, longitude: float, to_latitude: float, to_longitude: float
) -> None:
    there = geo.haversine_km(latitude, longitude, to_latitude, to_longitude)
    back = geo.haversine_km(to_latitude, to_longitude, latitude, longitude)
    assert there == back
    assert 0 <= there <= math.pi * geo.EARTH_RADIUS_KM


@given(latitudes, longitudes)
def test_a_prefix_of_a_geohash_is_an_interval_of_cell_numbers(latitude: float, longitude: float) -> None:
    number = geo.cell(latitude, longitude)
    assert 0 <= number < 2**50
    assert float(number) == number
    for length in range(1, 11):
        centre = pygeohash.decode_exactly(pygeohash.encode(latitude, longitude, length))
        shift = 5 * (10 - length)
        assert geo.cell(centre.latitude, centre.longitude) >> shift == number >> shift


def test_numbers_of_cells_have_the_order_of_their_geohashes() -> None:
    points = [(latitude, longitude) for latitude in range(-90, 91, 15) for longitude in range(-180, 181, 20)]
    by_number = sorted(points, key=lambda point: (geo.cell(*point), point))
    assert by_number == sorted(points, key=lambda point: (pygeohash.encode(point[0], point[1], 10), point))


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [(math.nan, 0), (0, math.nan), (math.inf, 0), (0, -math.inf), (90.1, 0), (0, -180.1)],
)
def test_what_is_no_place_has_no_cell(latitude: float, longitude: float) -> None:
    with pytest.raises(ValueError, match=r"itude must be"):
        geo.cell(latitude, longitude)
