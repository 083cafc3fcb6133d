"""Who are the k nearest drivers of a vehicle? Exactly, from the index in Redis, usually in one round trip.

GEOSEARCH returns everybody within a radius that should hold k drivers, by the density that the last search
has found. With too few or too many drivers the radius changes, for one more round trip.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models import geo, live

# After so many tries, which happens when drivers are spread unevenly, everybody in the radius is read.
LIMITED_TRIES = 8
# More than the waves ever ask for. Everybody is read.
FAR_KM = 125.0
# Circles that come as near to a pole (radians) are boxes around it.
POLE = 0.01

# GEOSEARCH's northern end (degrees) and its radius of the earth.
_MAP_END, _MAP_EARTH_M = 85.05112878, 6_372_797.560856
_SCALE = _MAP_END / 180
# Wider than its map.
_ALL_LONGITUDES_M = 20_100_000

_position = struct.Struct("<ddd")

# A smaller circle says nothing about how densely drivers stand.
SMALLEST_KM = 0.001
# With so many kept, all are forgotten: vehicles have whatever names people give them.
MANY_DENSITIES = 10_000
# Drivers per square km (over pi) that the last search has found, by vehicle and a wave's radius (km).
_density: dict[tuple[str, float], float] = {}


@dataclass(slots=True)
class Question:
    """Who are the k nearest drivers of a vehicle within a radius (km) of a point (WGS84 degrees)?"""

    vehicle: str
    latitude: float
    longitude: float
    radius_km: float
    k: int


class Nearby(NamedTuple):
    """A driver in reach and the great-circle distance to them in km."""

    driver_id: str
    distance_km: float


class _Search:
    """One question on its way: the radius to look at next, between one with too few and one with too many."""

    def __init__(self, question: Question, min_seen: int) -> None:
        self.question, self._min_seen = question, min_seen
        # With so many on average, fewer than k are unlikely.
        self._wanted = question.k + 3 * math.sqrt(max(question.k, 0)) + 8
        self._limit = int(2 * self._wanted) + 32
        self._key = (question.vehicle, question.radius_km)
        self._radius_km = question.radius_km
        if density := _density.get(self._key):
            self._radius_km = min(question.radius_km, math.sqrt(self._wanted / density))
        self._too_few_km, self._too_many_km, self._tries = 0.0, math.inf, 0
        self.found: list[Nearby] | None = None

    @property
    def _is_limited(self) -> bool:
        return self._tries < LIMITED_TRIES and self._radius_km <= FAR_KM

    def calls(self) -> list[live.Command]:
        """Commands for everybody within the radius; until the last try each returns at most a limit."""
        limit = ("COUNT", self._limit, "ANY") if self._is_limited else ()
        return [(*area, *limit) for area in _areas(self.question, self._radius_km)]

    def take(self, answers: Sequence[Sequence[bytes]]) -> None:
        """Sets `found` if the answers are enough, else the next radius."""
        question, radius_km = self.question, self._radius_km
        is_limited = self._is_limited
        self._tries += 1
        if is_limited and any(len(members) >= self._limit for members in answers):
            self._too_many_km = radius_km
            self._radius_km = (self._too_few_km + radius_km) / 2 if self._tries < LIMITED_TRIES else radius_km
            return
        drivers = self._within(answers)
        if len(drivers) < question.k and radius_km < question.radius_km:
            self._too_few_km, self._radius_km = radius_km, self._larger_km(len(drivers))
            return
        if len(_density) >= MANY_DENSITIES:
            _density.clear()
        if drivers and radius_km >= SMALLEST_KM:
            _density[self._key] = len(drivers) / radius_km**2
        else:
            _density.pop(self._key, None)
        self.found = [Nearby(driver.decode(), distance) for distance, driver in drivers[: max(question.k, 0)]]

    def _larger_km(self, drivers: int) -> float:
        """The next radius after one with so few drivers."""
        radius_km, most_km = self._radius_km, self.question.radius_km
        if self._tries >= LIMITED_TRIES:
            return self._too_many_km if radius_km < self._too_many_km < most_km else most_km
        if self._too_many_km < math.inf:
            return (radius_km + self._too_many_km) / 2
        return min(most_km, radius_km * min(3.0, max(1.2, math.sqrt(self._wanted / max(drivers, 1)))))

    def _within(self, answers: Sequence[Sequence[bytes]]) -> list[tuple[float, bytes]]:
        """The drivers within the radius who were heard of since, by distance, then id."""
        distance_to = geo.kilometres_from(self.question.latitude, self.question.longitude)
        drivers: set[tuple[float, bytes]] = set()
        for members in answers:
            for member in members:
                latitude, longitude, seen = _position.unpack_from(member)
                if seen >= self._min_seen:
                    distance = distance_to(latitude, longitude)
                    if distance <= self._radius_km:
                        drivers.add((distance, member[_position.size :]))
        return sorted(drivers)


def nearest(questions: Sequence[Question], now_ms: int, presence_ms: int) -> list[list[Nearby]]:
    """For each question exactly the k nearest, by distance, then id.

    Drivers last heard of before ``now_ms - presence_ms`` are left out. Raises ``redis.RedisError``.
    """
    pipeline = live.Pipeline()
    found = ask(pipeline, questions, now_ms, presence_ms)
    pipeline.execute(decode=False)
    return found()


def ask(
    pipeline: live.Pipeline, questions: Sequence[Question], now_ms: int, presence_ms: int
) -> Callable[[], list[list[Nearby]]]:
    """Adds the same to a pipeline; the result returns the drivers after its execution."""
    searches = [_Search(question, now_ms - presence_ms) for question in questions]
    asked = [(search, pipeline.add(search.calls())) for search in searches]

    def found() -> list[list[Nearby]]:
        for search, answers in asked:
            search.take(answers())
        while unfinished := [search for search in searches if search.found is None]:
            again = live.Pipeline()
            repeated = [(search, again.add(search.calls())) for search in unfinished]
            again.execute(decode=False)
            for search, answers in repeated:
                search.take(answers())
        return [search.found or [] for search in searches]

    return found


def _areas(question: Question, radius_km: float) -> list[live.Command]:
    """GEOSEARCH for at least everybody in the circle.

    It reads two bits more than our cells have, and so takes everybody to be where both coordinates, counted
    from the south-western corner of its map, are half of ours. A way north is ``_SCALE`` as long there, and
    a way east ``_east``, which is longest at an end of the circle: a circle that holds ours is as many times
    larger as the longest of them. With 0.1 % and 3 m on top for the rounding of places to cells.
    """
    key, latitude, longitude = f"drivers:where:{question.vehicle}", question.latitude, question.longitude
    if radius_km > FAR_KM:
        return [("ZRANGE", key, 0, -1)]
    angle, middle = max(radius_km, 0.0) / geo.EARTH_RADIUS_KM, math.radians(latitude)
    if abs(middle) + angle > math.pi / 2 - POLE:
        pole = 0.0 if latitude > 0 else -_MAP_END
        height = 2 * (angle + math.pi / 2 - abs(middle)) * _SCALE * _MAP_EARTH_M * 1.001 + 6
        return [("GEOSEARCH", key, "FROMLONLAT", -90.0, pole, "BYBOX", _ALL_LONGITUDES_M, height, "m")]
    longest = max(_SCALE, _east(middle - angle), _east(middle + angle))
    circle = ("BYRADIUS", angle * longest * _MAP_EARTH_M * 1.001 + 3, "m")
    there = (latitude + 90) * _SCALE - _MAP_END
    centres = [longitude]
    if abs(longitude) + math.degrees(math.asin(math.sin(angle) / math.cos(middle))) > 180:
        # Drivers beyond the antimeridian are nearer to the point where our parallel crosses it.
        centres.append(-math.copysign(180, longitude))
    return [("GEOSEARCH", key, "FROMLONLAT", (centre - 180) / 2, there, *circle) for centre in centres]


def _east(latitude: float) -> float:
    """How long a short way east (at a latitude in radians) is on GEOSEARCH's map."""
    return math.cos((latitude + math.pi / 2) * _SCALE - math.radians(_MAP_END)) / math.cos(latitude) / 2
