"""Which drivers may be offered an order now, and where they are.

A copy in Redis of what Postgres and the drivers' own messages say, kept for one question: who are
the k nearest of this vehicle? It holds only drivers who are available and have no running trip;
silent ones are left out when it is asked, and swept later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from models import geo, live
from models.live import commands, script

# "search" of a driver who is known, but is in no search: unavailable, or with a running trip.
NO_SEARCH = "-"

# As long as this a driver's last position is worth keeping after the last word from him.
DRIVER_TTL_SECONDS = 900

# A position that took longer to arrive tells where the driver was, not where he is.
POSITION_MAX_AGE_MS = 60_000

_SEEN = "drivers:seen"

# The customer of a trip hears where the truck is once in this time at most.
TELL_MS = 1000

Outcome = Literal["live", "kept_out", "unknown"]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a driver was (WGS84 degrees) and when, in ms since 1970, by the position's own time."""

    latitude: float
    longitude: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class Trip:
    """A driver's running trip, and who waits for the truck."""

    truck_request_id: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a position: "live" in the index, or "kept_out" (older than the last one or than
    60 s), or "unknown" (Redis does not know the driver, nothing was written).

    ``trip`` is the driver's running trip; ``tell``: its customer is to hear of this position.
    ``jumped``: he came 10 km and more, at more than 10 km/s, so his receiver is or was wrong.
    """

    outcome: Outcome
    trip: Trip | None = None
    tell: bool = False
    jumped: bool = False


# Runs one update, alone or together with others.
Run: TypeAlias = Callable[[live.Call], Moved]


class Nearby(NamedTuple):
    """A driver in reach and the great-circle distance to him in km."""

    driver_id: str
    distance_km: float


def vehicle_key(vehicle_type: str, vehicle_subtype: str) -> str:
    """One name for a type and subtype, whatever their case and surrounding spaces."""
    return f"{vehicle_type.strip().casefold()}:{vehicle_subtype.strip().casefold()}"


@dataclass(frozen=True, slots=True)
class Question:
    """Who are the k nearest drivers of a vehicle within a radius (km) of a point (WGS84 degrees)?"""

    vehicle: str
    latitude: float
    longitude: float
    radius_km: float
    k: int


def nearest(questions: Sequence[Question], now_ms: int, presence_ms: int) -> list[list[Nearby]]:
    """For each question exactly the k nearest, by distance, then id; all in one round trip.

    Drivers last heard of before ``now_ms - presence_ms`` are left out. Raises redis.RedisError.
    """
    calls = [
        live.Call(
            live.script("driver_nearest"),
            [f"drivers:cells:{q.vehicle}", f"drivers:positions:{q.vehicle}"],
            [q.latitude, q.longitude, q.radius_km / geo.EARTH_RADIUS_KM, q.k, now_ms - presence_ms],
        )
        for q in questions
    ]
    return [_sorted(q, lines) for q, lines in zip(questions, live.run_all(calls), strict=True)]


def _sorted(question: Question, lines: str) -> list[Nearby]:
    distance_to = geo.kilometres_from(question.latitude, question.longitude)
    found = []
    for line in lines.splitlines():
        driver_id, latitude, longitude = line.split(" ")
        distance = distance_to(float(latitude), float(longitude))
        if distance <= question.radius_km:
            found.append((distance, driver_id))
    found.sort()
    return [Nearby(driver_id, distance) for distance, driver_id in found[: question.k]]


def update_all(updates: Sequence[live.Call]) -> list[Moved]:
    """What became of each update, all in one round trip. Raises redis.RedisError."""
    return [_moved(answer) for answer in live.run_all(updates)]


def _at_once(update: live.Call) -> Moved:
    return _moved(update.script(keys=update.keys, args=update.args))


def move(driver_id: str, position: Position, now_ms: int, run: Run | None = None) -> Moved:
    """Takes a driver's position into the live index, in one round trip.

    Whatever becomes of the position, the word from him counts. A position ahead of our clock counts
    as of now. ``run`` may have it done together with others (`update_all`). Raises ValueError for
    coordinates that are none, redis.RedisError.
    """
    run = run or _at_once
    if position.at_ms < now_ms - POSITION_MAX_AGE_MS:
        return run(_update(driver_id, now_ms))
    return run(_update(driver_id, now_ms, replace(position, at_ms=min(position.at_ms, now_ms))))


def heard(driver_id: str, now_ms: int) -> bool:
    """Notes a sign of life; False if Redis does not know this driver. Raises redis.RedisError."""
    return _at_once(_update(driver_id, now_ms)).outcome != "unknown"


def place(
    driver_id: str,
    search: str,
    position: Position | None,
    seen_ms: int,
    as_of_us: int,
    trip: Trip | None = None,
) -> None:
    """Puts a driver into the search of a vehicle, or out of any (``NO_SEARCH``), as Postgres says.

    ``seen_ms`` is when he was last heard of, not now: a silent driver must not look alive.
    ``as_of_us`` is when Postgres was read, by its clock in us: an older reading that arrives late
    changes neither search nor trip. A newer position or sign of life that Redis has stays. Raises
    redis.RedisError.
    """
    _at_once(_update(driver_id, seen_ms, position, search, as_of_us, trip))


def last_position(driver_id: str) -> Position | None:
    """The newest position Redis has of a driver. Raises redis.RedisError."""
    stored = cast("list[str | None]", commands().hmget(f"driver:{driver_id}", ["lat", "lon", "at_ms"]))
    latitude, longitude, at_ms = stored
    if latitude is None or longitude is None or at_ms is None:
        return None
    return Position(float(latitude), float(longitude), int(at_ms))


def sweep(seen_before_ms: int, limit: int = 1000) -> int:
    """Takes up to ``limit`` drivers who have been silent since out of the index; returns how many."""
    return int(script("driver_sweep")(keys=[_SEEN], args=[seen_before_ms, limit]))


def heard_since(seen_ms: int) -> list[str]:
    """The drivers in any search who were heard of at this time or later. Raises redis.RedisError."""
    members = cast("list[str]", commands().zrangebyscore(_SEEN, seen_ms, "+inf"))
    return [member.rpartition("|")[2] for member in members]


def _update(
    driver_id: str,
    seen_ms: int,
    position: Position | None = None,
    search: str = "",
    as_of_us: int | None = None,
    trip: Trip | None = None,
) -> live.Call:
    where = _where(position) if position else ("", "", "", "")
    as_of = "" if as_of_us is None else as_of_us
    on_trip = f"{trip.truck_request_id} {trip.customer_id}" if trip else ""
    return live.Call(
        script("driver_update"),
        [f"driver:{driver_id}", _SEEN],
        [driver_id, seen_ms, DRIVER_TTL_SECONDS, search, as_of, *where, on_trip, TELL_MS],
    )


def _moved(answer: Any) -> Moved:
    outcome, running, tell, jumped = answer
    return Moved(outcome, Trip(*running.split(" ")) if running else None, bool(tell), bool(jumped))


def _where(position: Position) -> tuple[int, str, str, int]:
    cell = geo.cell(position.latitude, position.longitude)
    return position.at_ms, repr(float(position.latitude)), repr(float(position.longitude)), cell
