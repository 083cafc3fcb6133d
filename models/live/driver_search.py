"""Who are the k nearest drivers of a vehicle? Exactly, in one round trip, from the index in Redis.

Where few are in reach, a plain GEOSEARCH brings all of them, and we sort; where there are many, a
script goes through the cells. Which of the two it takes is guessed from the last answer for the same
vehicle and radius: a wrong guess costs one more round trip, and is no wrong answer.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models import geo, live

# GEOSEARCH stops at so many, so that a wrong guess cannot hold Redis up.
FEW = 64
# Whoever has this many in reach or fewer will hardly have more than FEW the next time.
SURELY_FEW = 32

# GEOSEARCH knows places to 0.4 m on its map, which is less than 1.1 m of ours, and compares two.
ROUNDED_KM = 0.003
# GEOSEARCH's northern end (degrees) and its radius of the earth.
_MAP_END, _MAP_EARTH_M = 85.05112878, 6_372_797.560856
_SCALE = _MAP_END / 180

_position = struct.Struct("<ddd")

# Vehicles and radii of whom more than FEW were in reach.
_crowded: set[tuple[str, float]] = set()


@dataclass(slots=True)
class Question:
    """Who are the k nearest drivers of a vehicle within a radius (km) of a point (WGS84 degrees)?"""

    vehicle: str
    latitude: float
    longitude: float
    radius_km: float
    k: int


class Nearby(NamedTuple):
    """A driver in reach and the great-circle distance to him in km."""

    driver_id: str
    distance_km: float


class _Asked(NamedTuple):
    """What Redis is asked, and how well its answer is in order: whoever comes after a driver is at least
    ``order`` times as far away as he, but for a few metres; 0 for no order.
    """

    call: live.Call | live.Command
    order: float


def nearest(questions: Sequence[Question], now_ms: int, presence_ms: int) -> list[list[Nearby]]:
    """For each question exactly the k nearest, by distance, then id.

    All in one round trip, or in two where a guess was wrong. Drivers last heard of before
    ``now_ms - presence_ms`` are left out. Raises redis.RedisError.
    """
    min_seen = now_ms - presence_ms
    asked = _asked(questions, min_seen)
    return _found(questions, asked, live.run_all([one.call for one in asked], decode=False), min_seen)


def ask(
    pipeline: live.Pipeline, questions: Sequence[Question], now_ms: int, presence_ms: int
) -> Callable[[], list[list[Nearby]]]:
    """Adds the same to a pipeline; the result returns the drivers after its execution."""
    min_seen = now_ms - presence_ms
    asked = _asked(questions, min_seen)
    answers = pipeline.add([one.call for one in asked])
    return lambda: _found(questions, asked, answers(), min_seen)


def _asked(questions: Sequence[Question], min_seen: int) -> list[_Asked]:
    return [_plain(q) or _script(q, min_seen) for q in questions]


def _found(
    questions: Sequence[Question], asked: list[_Asked], answers: list[list[bytes]], min_seen: int
) -> list[list[Nearby]]:
    wrong = [i for i, one in enumerate(asked) if one.order and len(answers[i]) == FEW]
    if wrong:
        _crowded.update((questions[i].vehicle, questions[i].radius_km) for i in wrong)
        for i in wrong:
            asked[i] = _script(questions[i], min_seen)
        again = live.run_all([asked[i].call for i in wrong], decode=False)
        for i, answer in zip(wrong, again, strict=True):
            answers[i] = answer
    found = [
        _sorted(q, members, min_seen, one.order)
        for q, members, one in zip(questions, answers, asked, strict=True)
    ]
    if _crowded:
        _crowded.difference_update(
            (q.vehicle, q.radius_km) for q, some in zip(questions, found, strict=True) if _few(q, some)
        )
    return found


def _few(question: Question, found: Sequence[Nearby]) -> bool:
    """Whether surely few are in reach, if drivers are spread evenly."""
    if len(found) < question.k or not found:
        return len(found) <= SURELY_FEW
    return len(found) * question.radius_km**2 <= SURELY_FEW * found[-1].distance_km ** 2


def _script(question: Question, min_seen: int) -> _Asked:
    angle = question.radius_km / geo.EARTH_RADIUS_KM
    call = live.Call(
        live.script("driver_nearest"),
        [f"drivers:where:{question.vehicle}"],
        [question.latitude, question.longitude, angle, question.k, min_seen],
    )
    return _Asked(call, 0)


def _plain(question: Question) -> _Asked | None:
    """Everybody in reach, and FEW of them at most; None near the poles, at the antimeridian, or for a crowd.

    GEOSEARCH reads two bits more than our cells have, and so takes everybody to be where both
    coordinates, counted from the south-western corner of its map, are half of ours. A way north is
    ``_SCALE`` as long there, and a way east ``_east``, which is longest at one of the two ends of the
    circle; so a circle that holds ours is as many times larger as the longest of them. With 0.1 % and
    3 m on top for the rounding of places, which is less than a cell.
    """
    vehicle, latitude, longitude, radius_km = (
        question.vehicle,
        question.latitude,
        question.longitude,
        question.radius_km,
    )
    if not (abs(latitude) <= 57 and abs(longitude) <= 177 and 0 <= radius_km <= 125):
        return None
    if (vehicle, radius_km) in _crowded:
        return None
    angle = radius_km / geo.EARTH_RADIUS_KM
    middle = math.radians(latitude)
    scales = _SCALE, _east(middle - angle), _east(middle + angle)
    shortest, longest = min(scales), max(scales)
    command = (
        *("GEOSEARCH", f"drivers:where:{vehicle}"),
        *("FROMLONLAT", (longitude - 180) / 2, (latitude + 90) * _SCALE - _MAP_END),
        *("BYRADIUS", angle * longest * _MAP_EARTH_M * 1.001 + 3, "m", "ASC", "COUNT", FEW, "ANY"),
    )
    # The scales change by less than 1 % on the way between the ends.
    return _Asked(command, 0.99 * shortest / longest)


def _east(latitude: float) -> float:
    """How long a short way east (at a latitude in radians) is on GEOSEARCH's map."""
    return math.cos((latitude + math.pi / 2) * _SCALE - math.radians(_MAP_END)) / math.cos(latitude) / 2


def _sorted(question: Question, members: Sequence[bytes], min_seen: int, order: float) -> list[Nearby]:
    distance_to = geo.kilometres_from(question.latitude, question.longitude)
    radius_km, k, position = question.radius_km, question.k, _position.unpack_from
    found: list[tuple[float, bytes]] = []
    enough_km = math.inf  # k are no farther than this
    for member in members:
        latitude, longitude, seen = position(member)
        distance = distance_to(latitude, longitude)
        if distance * order > enough_km:
            break
        if distance <= radius_km and seen >= min_seen:
            found.append((distance, member[_position.size :]))
            if len(found) == k:
                enough_km = max(found)[0] + ROUNDED_KM
    found.sort()
    return [Nearby(driver.decode(), distance) for distance, driver in found[:k]]
