"""Positions on the globe and the little geometry a driver needs."""

import math
from dataclasses import dataclass

EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG
KM_PER_DEGREE = math.pi * EARTH_RADIUS_KM / 180
# Roads are longer than the line through the air; 1.3 is the usual ratio within a city.
ROAD_FACTOR = 1.3
# A tenth of a metre: what a phone knows at best, and no more to send.
DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Place:
    """A position in WGS84 degrees."""

    latitude: float
    longitude: float

    def json(self) -> dict[str, float]:
        return {"latitude": self.latitude, "longitude": self.longitude}


def distance_km(a: Place, b: Place) -> float:
    """Great-circle distance by the haversine formula."""
    lat_a, lat_b = math.radians(a.latitude), math.radians(b.latitude)
    half_lat = math.sin((lat_b - lat_a) / 2)
    half_lon = math.sin(math.radians(b.longitude - a.longitude) / 2)
    h = half_lat * half_lat + math.cos(lat_a) * math.cos(lat_b) * half_lon * half_lon
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, h)))


def road_km(a: Place, b: Place) -> float:
    """What a truck drives from one to the other."""
    return ROAD_FACTOR * distance_km(a, b)


def within_km(a: Place, b: Place, km: float) -> bool:
    """Whether the two are at most ``km`` apart; most pairs are settled by their latitudes alone."""
    if abs(a.latitude - b.latitude) * KM_PER_DEGREE > km:
        return False
    return distance_km(a, b) <= km


def between(a: Place, b: Place, share: float) -> Place:
    """The place a ``share`` (0 to 1) of the way from ``a`` to ``b``, the short way round the globe."""
    east = (b.longitude - a.longitude + 180) % 360 - 180
    latitude = a.latitude + share * (b.latitude - a.latitude)
    longitude = (a.longitude + share * east + 180) % 360 - 180
    return Place(round(latitude, DECIMALS), round(longitude, DECIMALS))


def towards(a: Place, b: Place, km: float) -> Place:
    """The place reached after driving at most ``km`` from ``a`` straight to ``b``."""
    whole = distance_km(a, b)
    return b if whole <= km else between(a, b, km / whole)
