"""Where things are on the globe: distances, and geohash cells as numbers.

Pure arithmetic, so that the driver index can be checked against it. Coordinates are WGS84 degrees,
distances kilometres along the surface of a sphere.
"""

import math
from collections.abc import Callable

import pygeohash

# Mean radius of the earth, R1 of IUGG (Moritz 2000, https://doi.org/10.1007/s001900050278).
EARTH_RADIUS_KM = 6371.0088

# Ten geohash characters are 50 bits: exact in a Redis score (a double), and cells of 1.2 m by 0.6 m.
PRECISION = 10

# Geohash's alphabet leaves out a, i, l and o; Python's base 32 has its own digits.
_DIGITS = str.maketrans("0123456789bcdefghjkmnpqrstuvwxyz", "0123456789abcdefghijklmnopqrstuv")


def haversine_km(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> float:
    """Great-circle distance in km (R. W. Sinnott, "Virtues of the Haversine", 1984)."""
    return kilometres_from(latitude, longitude)(to_latitude, to_longitude)


def kilometres_from(latitude: float, longitude: float) -> Callable[[float, float], float]:
    """`haversine_km` from one point to many: what is the same for all is computed once."""
    radians, sin, cos, asin, sqrt = math.radians, math.sin, math.cos, math.asin, math.sqrt
    start, meridian = radians(latitude), radians(longitude)
    cos_start, diameter = cos(start), 2 * EARTH_RADIUS_KM

    def kilometres(to_latitude: float, to_longitude: float) -> float:
        end = radians(to_latitude)
        a = sin((start - end) / 2)
        b = sin((radians(to_longitude) - meridian) / 2)
        h = a * a + cos_start * cos(end) * b * b
        return diameter * asin(sqrt(h if h < 1.0 else 1.0))

    return kilometres


def cell(latitude: float, longitude: float) -> int:
    """The geohash of a point at precision 10 as a number of 50 bits.

    Any geohash prefix, a cell of any size, is one interval of these numbers. Raises ValueError
    for coordinates that are not numbers or out of range.
    """
    return int(pygeohash.encode(latitude, longitude, PRECISION).translate(_DIGITS), 32)
