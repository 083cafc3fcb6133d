"""Which drivers may be offered an order now, and where they are.

A copy in Redis of what Postgres and the drivers' messages say, for one query: the k nearest drivers of a
vehicle (`driver_search`). It holds only drivers who are available and have no running trip; silent ones are
left out of the answer, and swept later.
"""

import struct
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias, cast, get_args

from models import geo
from models.live import Call, call, commands, run_all, script

# "search" of a driver who is known, but is in no search: unavailable, or with a running trip.
NO_SEARCH = "-"

# How long a driver's last position is kept after they have left the index, or after the last message of one
# who is in no search.
DRIVER_TTL_SECONDS = 900
# And while they are in the index, where only their key says which member is theirs: longer than the sweep of
# silent drivers, every two minutes, can be down.
INDEXED_TTL_SECONDS = 86_400

# An older position shows where a driver was, not where they are.
POSITION_MAX_AGE_MS = 60_000

_HEARD = "drivers:heard"
_VEHICLES = "drivers:vehicles"

# The customer of a trip is sent a position at most once in this time.
TELL_MS = 1000

# Drivers in one call, which holds Redis for a millisecond or two.
TOGETHER = 200
# Drivers looked up in one command.
AT_ONCE = 500

_WITHOUT_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))

Outcome = Literal["live", "kept_out", "unknown"]

# What the script takes of a position: latitude, longitude, at_ms, cell; and of a driver: seen_ms, place,
# search, as_of_us, trip, since_ms.
_place = struct.Struct("<dddd")
NOWHERE = b""
Learnt: TypeAlias = tuple[int, bytes, str, int | str, str, int]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a driver was (WGS84 degrees) and when, in ms since 1970, by the position's own time."""

    latitude: float
    longitude: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class RunningTrip:
    """A driver's running trip, and who waits for the truck."""

    truck_request_id: str
    customer_id: str
    # When the driver was assigned, in ms since 1970: earlier positions are not shown to the customer.
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """The outcome of a position: "live" in the index, or "kept_out" (older than the last one or than
    60 s), or "unknown" (Redis does not know the driver, nothing was written).

    ``trip`` is the driver's running trip; ``tell``: this position is sent to its customer.
    ``jumped``: 10 km and more, at more than 10 km/s, so the receiver is or was wrong.
    """

    outcome: Outcome
    trip: RunningTrip | None = None
    tell: bool = False
    jumped: bool = False


# A driver's id and position.
Report: TypeAlias = tuple[str, Position]

# Nearly all have neither a trip nor a jump.
_USUAL: dict[Outcome, Moved] = {outcome: Moved(outcome) for outcome in get_args(Outcome)}


def vehicle_key(vehicle_type: str, vehicle_subtype: str) -> str:
    """One name for a type and subtype, however they are written."""
    return f"{_caseless(vehicle_type)}:{_caseless(vehicle_subtype)}"


def _caseless(name: str) -> str:
    """For canonical caseless matching (Unicode 3.13, D145). Joiners only change how a name is drawn."""
    folded = unicodedata.normalize("NFD", name.strip()).casefold()
    return unicodedata.normalize("NFC", folded).translate(_WITHOUT_JOINERS)


def update(driver_id: str, position: Position, now_ms: int) -> Moved:
    """`update_all` for one."""
    return update_all([(driver_id, position)], now_ms)[0]


def update_all(reports: Sequence[Report], now_ms: int) -> list[Moved]:
    """Puts drivers' positions into the live index, in their order, in one round trip.

    Any position counts as a sign of life. One ahead of our clock counts as of now. Raises ``ValueError`` for
    invalid coordinates, ``redis.RedisError``.
    """
    return _send(
        [(driver, (now_ms, _where(position, now_ms), "", "", "", 0)) for driver, position in reports]
    )


def heard(driver_id: str, now_ms: int) -> bool:
    """Records a sign of life; False if Redis does not know this driver. Raises ``redis.RedisError``."""
    (noted,) = _send([(driver_id, (now_ms, NOWHERE, "", "", "", 0))])
    return noted.outcome != "unknown"


@dataclass(frozen=True, slots=True)
class Placement:
    """A driver in the search of a vehicle, or out of any (``NO_SEARCH``), as Postgres says.

    ``seen_ms`` is the last sign of life, not now: a silent driver must not look alive. ``as_of_us`` is when
    Postgres was read, by its clock in us: an older reading that arrives late changes neither search nor trip.
    A newer position or sign of life that Redis has stays.
    """

    driver_id: str
    search: str
    position: Position | None
    seen_ms: int
    as_of_us: int
    trip: RunningTrip | None = None


def place_all(placements: Sequence[Placement]) -> None:
    """Puts drivers into their searches or out, many in one round trip. Raises ``redis.RedisError``."""
    for first in range(0, len(placements), TOGETHER):
        _send([_placed(placement) for placement in placements[first : first + TOGETHER]])


def _placed(placement: Placement) -> tuple[str, Learnt]:
    trip, position = placement.trip, placement.position
    on_trip = f"{trip.truck_request_id} {trip.customer_id}" if trip else ""
    where = _where(position) if position else NOWHERE
    since_ms = trip.since_ms if trip else 0
    learnt = (placement.seen_ms, where, placement.search, placement.as_of_us, on_trip, since_ms)
    return placement.driver_id, learnt


def last_position(driver_id: str) -> Position | None:
    """The newest position Redis has of a driver. Raises redis.RedisError."""
    (stored,) = run_all([("HGET", f"driver:{driver_id}", "place")], decode=False)
    if stored is None:
        return None
    return _position(stored)


def last_positions(driver_ids: Sequence[str]) -> list[Position | None]:
    """The same of many, in one round trip."""
    keys = [f"driver:{driver_id}" for driver_id in driver_ids]
    parts = [keys[first : first + AT_ONCE] for first in range(0, len(keys), AT_ONCE)]
    answers = run_all([Call(script("driver_places"), part, ()) for part in parts], decode=False)
    return [_position(stored) if stored else None for places in answers for stored in places]


def forget(driver_ids: Sequence[str]) -> None:
    """Deletes what is known of drivers who are in no search. Raises ``redis.RedisError``."""
    if driver_ids:
        commands().delete(*(f"driver:{driver_id}" for driver_id in driver_ids))


def sweep(seen_before_ms: int, limit: int = TOGETHER) -> int:
    """Removes up to ``limit`` drivers who have been silent since then from the index; returns how many."""
    return int(call("driver_sweep", [_HEARD, _VEHICLES], [seen_before_ms, limit, DRIVER_TTL_SECONDS]))


def vehicles() -> list[str]:
    """The vehicles that have drivers in the index. Raises ``redis.RedisError``."""
    return cast("list[str]", commands().hkeys(_VEHICLES))


def sweep_lost(vehicle: str, seen_before_ms: int) -> tuple[int, bool]:
    """Looks at the next 200 or so drivers of a vehicle, and removes those silent since then.

    Returns how many, and whether all have been looked at. Called after `sweep`, which finds members by the
    drivers' own keys; what remains are members whose key was lost.
    """
    keys = [f"drivers:where:{vehicle}", _VEHICLES]
    lost, ended = call("driver_sweep_lost", keys, [vehicle, seen_before_ms, TOGETHER])
    return int(lost), bool(ended)


def count_heard(seen_ms: int) -> int:
    """How many drivers in any search were heard of at this time or later. Raises redis.RedisError."""
    return cast("int", commands().zcount(_HEARD, seen_ms, "+inf"))


def newest(limit: int) -> list[str]:
    """The drivers in any search who were heard of last, newest first. Raises redis.RedisError."""
    members = cast("list[str]", commands().zrevrange(_HEARD, 0, limit - 1))
    return [member.rpartition("|")[2] for member in members]


def seen(drivers: Sequence[tuple[str, str]]) -> list[int | None]:
    """When drivers, given as vehicle and id, were heard of (ms since 1970); None if they are in no search.

    Raises redis.RedisError.
    """
    found: list[int | None] = []
    for first in range(0, len(drivers), AT_ONCE):
        members = [f"{vehicle}|{driver}" for vehicle, driver in drivers[first : first + AT_ONCE]]
        scores = cast("list[float | None]", commands().zmscore(_HEARD, members))
        found += [None if score is None else int(score) for score in scores]
    return found


class Sign(NamedTuple):
    """When a driver was heard of (ms since 1970) and where they are, as far as Redis knows."""

    seen_ms: int | None
    position: Position | None


def signs(driver_ids: Sequence[str]) -> list[Sign]:
    """Of drivers in a search or not, in one round trip. Raises ``redis.RedisError``."""
    asked = [("HMGET", f"driver:{driver_id}", "seen_ms", "place") for driver_id in driver_ids]
    return [_sign(*known) for known in run_all(asked, decode=False)]


def _sign(seen_ms: bytes | None, stored: bytes | None) -> Sign:
    latitude, longitude, at_ms, _ = _place.unpack(stored) if stored else (0.0, 0.0, 0.0, 0)
    return Sign(
        int(float(seen_ms)) if seen_ms else None,
        Position(latitude, longitude, int(at_ms)) if stored else None,
    )


def _send(learnt: Sequence[tuple[str, Learnt]]) -> list[Moved]:
    if not learnt:
        return []
    keys = [_HEARD, _VEHICLES, *(f"driver:{driver_id}" for driver_id, _ in learnt)]
    args: list[bytes | str | int] = [DRIVER_TTL_SECONDS, INDEXED_TTL_SECONDS, TELL_MS]
    args += chain.from_iterable(values for _, values in learnt)
    return [_moved(answer) for answer in call("driver_update", keys, args)]


def _moved(answer: Any) -> Moved:
    if isinstance(answer, str):
        return _USUAL[cast("Outcome", answer)]
    outcome, running, tell, jumped, since_ms = answer
    if not running:
        return Moved(outcome, jumped=bool(jumped))
    truck_request_id, customer_id = running.split(" ")
    return Moved(outcome, RunningTrip(truck_request_id, customer_id, int(since_ms)), bool(tell), bool(jumped))


def _position(stored: bytes) -> Position:
    latitude, longitude, at_ms, _ = _place.unpack(stored)
    return Position(latitude, longitude, int(at_ms))


def _where(position: Position, now_ms: int | None = None) -> bytes:
    latitude, longitude, at_ms = position.latitude, position.longitude, position.at_ms
    if now_ms is not None:
        if at_ms < now_ms - POSITION_MAX_AGE_MS:
            return NOWHERE
        at_ms = min(at_ms, now_ms)
    return _place.pack(latitude, longitude, at_ms, geo.cell(latitude, longitude))
