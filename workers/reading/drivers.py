"""Drivers and running trips as operators look for them: who, where, since when silent."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from sqlalchemy import Row, text

from models import clock, db
from models.errors import DriverNotRegistered
from models.keyset import first_id
from models.live import driver_index
from models.live.driver_index import Position, Sign
from models.messages import iso
from models.tables.orders import LOADED, RUNNING
from workers.reading.figures import since_ms
from workers.reading.finding import containing, drivers_named

DRIVER_STATES = ("free", "busy", "offDuty", "silent")
# Drivers whose names, or whose states, are looked at for a page.
NAMES_LOOKED_AT, STATES_LOOKED_AT = 10_000, 1_000
# More are under way in no city that this system has been measured for; each driver is looked up.
TRIPS_LOOKED_AT = 5_000
OFFERS_HOURS, MOST_OFFERS, MOST_EVENTS = 24, 200, 20

ALL = text("SELECT id FROM drivers WHERE id > :after ORDER BY id LIMIT :look_at")
BUSY = text(f"""
    SELECT driver_id AS id FROM truck_requests WHERE status IN {RUNNING} AND driver_id > :after
    ORDER BY driver_id LIMIT :look_at
""")
NAMED = text("""
    SELECT id, name ILIKE :pattern AS hit FROM drivers WHERE id > :after ORDER BY id LIMIT :look_at
""")
TRIP = "id AS truck_request_id, order_id, status, assigned_at, updated_at AS progressed_at"
CHOSEN = text(f"""
    SELECT d.*, t.* FROM drivers d LEFT JOIN LATERAL (
        SELECT {TRIP} FROM truck_requests WHERE driver_id = d.id AND status IN {RUNNING} OFFSET 0
    ) AS t ON true
    WHERE d.id = ANY(:ids) ORDER BY d.id
""")
OFFERS = text("""
    SELECT order_id, state, offered_at, closed_at FROM offers
    WHERE driver_id = :driver_id AND id >= CAST(:since AS uuid) ORDER BY id DESC LIMIT :limit
""")
EVENTS = text("""
    SELECT at, type, data FROM driver_events WHERE driver_id = :driver_id ORDER BY id DESC LIMIT :limit
""")
# A position is saved some seconds after it was heard, so what is quiet here may be heard in the index.
QUIET_TRIPS = text(f"""
    SELECT d.*, t.* FROM (
        SELECT driver_id, {TRIP} FROM truck_requests WHERE status IN {RUNNING} AND driver_id > ''
        ORDER BY driver_id LIMIT :look_at
    ) AS t CROSS JOIN LATERAL (SELECT * FROM drivers WHERE id = t.driver_id OFFSET 0) AS d
    WHERE t.progressed_at <= now() - :minutes * interval '1 minute'
        AND coalesce(d.last_position_at <= now() - :minutes * interval '1 minute', true)
""")


def drivers(given: str | None, state: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
    """``{drivers, nextCursor}`` by id: of all, or of those with this id, phone, plate or part of the name.

    A page may hold fewer than ``limit`` and still have a ``nextCursor``.
    """
    ids, seen_to = _ids(given, state, cursor or "", limit)
    views = [view for view in _views(ids) if state in (None, view["state"])]
    more = views[limit - 1]["driverId"] if len(views) > limit else seen_to
    return {"drivers": views[:limit], "nextCursor": more}


def driver(driver_id: str) -> dict[str, Any]:
    """One driver with their offers of the last 24 hours and what operators did to them, newest first.

    Raises ``DriverNotRegistered``.
    """
    known = _views([driver_id])
    if not known:
        raise DriverNotRegistered("There is no such driver.")
    wanted = {"driver_id": driver_id, "since": first_id(clock.now() - timedelta(hours=OFFERS_HOURS))}
    with db.reads() as connection:
        offers = connection.execute(OFFERS, wanted | {"limit": MOST_OFFERS}).all()
        events = connection.execute(EVENTS, {"driver_id": driver_id, "limit": MOST_EVENTS}).all()
    return known[0] | {
        "offersToday": [
            {"orderId": str(row.order_id), "at": iso(row.offered_at), "outcome": row.state} for row in offers
        ],
        "events": [{"at": iso(row.at), "type": row.type, "data": row.data} for row in events],
    }


def trips(stuck_minutes: int, limit: int) -> dict[str, Any]:
    """``{trips, more}``: running trips that have neither moved a step on nor had a sign of life from their
    driver for so long, the quietest first. ``more`` says whether there are others.
    """
    with db.reads() as connection:
        values = {"minutes": stuck_minutes, "look_at": TRIPS_LOOKED_AT}
        rows = connection.execute(QUIET_TRIPS, values).all()
    since = clock.now() - timedelta(minutes=stuck_minutes)
    quiet = []
    for row, sign in zip(rows, signs(rows), strict=True):
        news = max(filter(None, (heard(row, sign), row.progressed_at)))
        if news <= since or not stuck_minutes:
            quiet.append((news, row, sign))
    quiet.sort(key=lambda found: found[0])
    return {"trips": [found_trip(row, sign) for _, row, sign in quiet[:limit]], "more": len(quiet) > limit}


def _ids(given: str | None, state: str | None, after: str, limit: int) -> tuple[list[str], str | None]:
    """Candidates in order, and the id up to which all have been seen; ``None`` for the last."""
    look_at = NAMES_LOOKED_AT if given else STATES_LOOKED_AT if state else limit + 1
    values = {"after": after, "look_at": look_at, "pattern": containing(given or "")}
    with db.reads() as connection:
        rows = connection.execute(NAMED if given else BUSY if state == "busy" else ALL, values).all()
    seen_to = rows[-1].id if len(rows) == look_at else None
    ids = [row.id for row in rows if not given or row.hit]
    if given:
        named = [driver for driver in drivers_named(given) if after < driver <= (seen_to or driver)]
        ids = sorted({*ids, *named})
    if len(ids) > STATES_LOOKED_AT:
        return ids[:STATES_LOOKED_AT], ids[STATES_LOOKED_AT - 1]
    return ids, seen_to


def _views(ids: Sequence[str]) -> list[dict[str, Any]]:
    with db.reads() as connection:
        rows = connection.execute(CHOSEN, {"ids": list(ids)}).all()
    return [
        _who(row, sign) | {"state": _state(row, sign), "trip": _trip(row) if row.order_id else None}
        for row, sign in zip(rows, signs(rows), strict=True)
    ]


def found_trip(row: Row[Any], sign: Sign) -> dict[str, Any]:
    """A running trip and who drives it, from a row with the columns of both."""
    return _trip(row) | {"driver": _who(row, sign)}


def signs(rows: Sequence[Row[Any]]) -> list[Sign]:
    """What the driver index knows; without Redis nothing, and what Postgres has counts."""
    try:
        return driver_index.signs([row.id for row in rows])
    except redis.RedisError:
        return [Sign(None, None)] * len(rows)


def _state(row: Row[Any], sign: Sign) -> str:
    if row.order_id:
        return "busy"
    if not row.available:
        return "offDuty"
    last = heard(row, sign)
    return "free" if last and last.timestamp() * 1000 >= since_ms() else "silent"


def heard(row: Row[Any], sign: Sign) -> datetime | None:
    """The driver's last sign of life, that of the index or that of Postgres."""
    seen = datetime.fromtimestamp(sign.seen_ms / 1000, UTC) if sign.seen_ms else None
    return max(filter(None, (seen, row.last_position_at)), default=None)


def _who(row: Row[Any], sign: Sign) -> dict[str, Any]:
    last = heard(row, sign)
    return {
        "driverId": row.id,
        "name": row.name,
        "phone": row.phone,
        "vehicle": f"{row.vehicle_type}/{row.vehicle_subtype}",
        "plate": row.vehicle_number,
        "lastHeardAt": iso(last) if last else None,
        "position": _position(row, sign.position),
    }


def _position(row: Row[Any], live: Position | None) -> dict[str, Any] | None:
    """The newer of what Redis and Postgres have."""
    saved = row.last_position_at
    if live and not (saved and saved.timestamp() * 1000 > live.at_ms):
        at = datetime.fromtimestamp(live.at_ms / 1000, UTC)
        return {"latitude": live.latitude, "longitude": live.longitude, "at": iso(at)}
    if saved is None:
        return None
    return {"latitude": row.last_latitude, "longitude": row.last_longitude, "at": iso(saved)}


def _trip(row: Row[Any]) -> dict[str, Any]:
    return {
        "orderId": str(row.order_id),
        "truckRequestId": str(row.truck_request_id),
        "status": row.status,
        "loaded": row.status in LOADED,
        "assignedAt": iso(row.assigned_at),
        "progressedAt": iso(row.progressed_at),
    }
