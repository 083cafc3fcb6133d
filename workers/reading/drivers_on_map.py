"""Where drivers are, for the operators' map. The driver index has a position at once, Postgres some seconds
later; and Postgres may have one that came too late for the index.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import redis
from sqlalchemy import Connection, Row, text

from models import settings
from models.live import driver_index
from models.live.driver_index import Position
from models.messages import iso
from models.tables.orders import LOADED, RUNNING
from workers.failing import readable
from workers.reading.figures import FRESH, since_ms

# More would be a crowd on any map, and a page that takes seconds to draw.
MOST = 2000
# Of those on the map who are on a trip, since they are in no search.
MOST_TRIPS = 1000

ON_TRIPS = text(f"""
    SELECT driver_id FROM truck_requests WHERE status IN {RUNNING} AND driver_id > ''
    ORDER BY driver_id LIMIT :limit
""")
FIRST = text("SELECT id FROM drivers WHERE id > '' ORDER BY id LIMIT :limit")
DRIVERS = text(f"""
    SELECT d.id, d.vehicle, d.vehicle_type, d.vehicle_subtype, d.last_latitude, d.last_longitude,
        d.last_position_at, d.available, {FRESH} AS fresh, t.status
    FROM drivers d LEFT JOIN LATERAL (
        SELECT status FROM truck_requests WHERE driver_id = d.id AND status IN {RUNNING} OFFSET 0
    ) AS t ON true
    WHERE d.id = ANY(:ids)
""")


class _Place(NamedTuple):
    at: datetime
    latitude: float
    longitude: float


class _Driver(NamedTuple):
    row: Row[Any]
    place: _Place
    # Whether they would be asked now.
    heard: bool

    @property
    def id(self) -> str:
        return str(self.row.id)


def read(connection: Connection) -> list[dict[str, Any]]:
    """Those heard of last and those on a trip, and anybody else only while these are few."""
    ids = set(connection.execute(ON_TRIPS, {"limit": MOST_TRIPS}).scalars())
    with suppress(redis.RedisError):
        ids |= set(driver_index.newest(MOST - len(ids)))
    if len(ids) < MOST:
        ids |= set(connection.execute(FIRST, {"limit": MOST}).scalars())
    values = {"ids": list(ids), "presence": settings.load().driver_presence_seconds}
    rows = sorted(connection.execute(DRIVERS, values), key=lambda row: row.id)
    shown = sorted(_located(rows), key=lambda driver: driver.place.at, reverse=True)[:MOST]
    return readable("driver on the map", shown, _view)


def _located(rows: Sequence[Row[Any]]) -> list[_Driver]:
    """Those of whom a position is known."""
    try:
        positions, heard = driver_index.last_positions([row.id for row in rows]), _heard(rows)
    except redis.RedisError:
        positions, heard = [None] * len(rows), {row.id for row in rows if row.fresh}
    places = [_newest(row, position) for row, position in zip(rows, positions, strict=True)]
    return [_Driver(row, place, row.id in heard) for row, place in zip(rows, places, strict=True) if place]


def _heard(rows: Sequence[Row[Any]]) -> set[str]:
    """Those who would be asked now; who is on a trip would not."""
    free, since = [row for row in rows if row.status is None], since_ms()
    times = driver_index.seen([(row.vehicle, row.id) for row in free])
    return {row.id for row, seen in zip(free, times, strict=True) if seen is not None and seen >= since}


def _newest(row: Row[Any], position: Position | None) -> _Place | None:
    saved = row.last_position_at
    if position is not None:
        at = datetime.fromtimestamp(position.at_ms / 1000, UTC)
        if saved is None or at >= saved:
            return _Place(at, position.latitude, position.longitude)
    return _Place(saved, row.last_latitude, row.last_longitude) if saved else None


def _view(driver: _Driver) -> dict[str, Any]:
    return {
        "id": driver.id,
        "state": _state(driver),
        "vehicleType": driver.row.vehicle_type,
        "vehicleSubtype": driver.row.vehicle_subtype,
        "latitude": driver.place.latitude,
        "longitude": driver.place.longitude,
        "at": iso(driver.place.at),
    }


def _state(driver: _Driver) -> str:
    if driver.row.status is not None:
        return "on_trip" if driver.row.status in LOADED else "busy"
    if not driver.row.available:
        return "unavailable"
    return "available" if driver.heard else "silent"
