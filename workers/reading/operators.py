"""What operators look at: counters of this moment and the last hour, a map, how far a search has come."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import redis
from sqlalchemy import Connection, Row, text

from models import clock, db, settings
from models.keyset import LARGEST_ID
from models.live import driver_index, figures, refusals
from models.live.figures import Counts
from models.messages import iso
from models.tables.orders import LOADED, PRESENT_STATES, RUNNING
from workers.failing import readable
from workers.offers.matching import radius_km
from workers.reading.figures import (
    FRESH,
    MOST,
    OrderFigures,
    counted_each,
    counts,
    drivers_by_state,
    figures_on,
    heard,
    since_ms,
)

ENDS = {"order_expired": "expired", "order_cancelled": "cancelled", "order_completed": "completed"}

# More would be a crowd on any map, and a page that takes seconds to draw.
MAP_ORDERS = 500
MAP_DRIVERS = 2000
# Of those on the map who are on a trip, since they are in no search.
MAP_TRIPS = 1000
FIRST_OFFER_MINUTES = 5
FIRST_OFFER_ORDERS = 1000

# A minute that ended so long ago gets no more events: a transaction's time is that of its beginning.
CLOSED_SECONDS = 15
REMEMBERED_SECONDS = 2 * 3600

ON_TRIPS = text(f"""
    SELECT driver_id FROM truck_requests WHERE status IN {RUNNING} AND driver_id > ''
    ORDER BY driver_id LIMIT :limit
""")
FIRST_DRIVERS = text("SELECT id FROM drivers WHERE id > '' ORDER BY id LIMIT :limit")
DRIVERS_ON_MAP = text(f"""
    SELECT d.id, d.vehicle, d.vehicle_type, d.vehicle_subtype, d.last_latitude, d.last_longitude,
        d.last_position_at, d.available, {FRESH} AS fresh, t.status
    FROM drivers d LEFT JOIN LATERAL (
        SELECT status FROM truck_requests WHERE driver_id = d.id AND status IN {RUNNING} OFFSET 0
    ) AS t ON true
    WHERE d.id = ANY(:ids) AND last_position_at IS NOT NULL
""")
ENDED = text(f"""
    SELECT type AS name, count(*) AS number FROM (
        SELECT type FROM order_events
        WHERE at >= :since AND at < :until AND type IN {tuple(ENDS)} LIMIT {MOST}
    ) AS counted GROUP BY type
""")
PRESENT = counted_each(
    {status: f"orders WHERE status = '{status}' AND id < '{LARGEST_ID}'" for status in PRESENT_STATES}
)
ARRIVED = text(f"""
    SELECT count(*) FROM (
        SELECT FROM admissions
        WHERE created_at > coalesce(:now, now()) - interval '1 minute' AND state <> 'refused' LIMIT {MOST}
    ) AS counted
""")
# From the admission's commit to the first wave that found a driver, of the newest orders.
FIRST_OFFER = text(f"""
    SELECT count(*) AS orders, percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM first.at - first.admitted_at)::float8) AS seconds
    FROM (
        SELECT (SELECT created_at FROM admissions WHERE order_id = newest.id) AS admitted_at, (
            SELECT at FROM order_events AS event
            WHERE event.order_id = newest.id AND type = 'wave_sent'
                AND jsonb_array_length(data -> 'drivers') > 0
            ORDER BY event.id LIMIT 1
        ) AS at
        FROM (
            SELECT id, created_at FROM orders WHERE id < '{LARGEST_ID}'
            ORDER BY id DESC LIMIT {FIRST_OFFER_ORDERS}
        ) AS newest
        WHERE newest.created_at > coalesce(:now, now()) - interval '{FIRST_OFFER_MINUTES} minutes'
    ) AS first
    WHERE first.at IS NOT NULL AND first.admitted_at IS NOT NULL
""")
ORDERS_ON_MAP = text("""
    SELECT id, status, pickup, wave, total_trucks, trucks_filled, next_wave_at, expires_at, created_at
    FROM orders WHERE searching AND expires_at > '-infinity' ORDER BY expires_at, id LIMIT :limit
""")
SEARCH = text("SELECT searching, round, wave, next_wave_at FROM orders WHERE id = :order_id")


def overview(now: datetime | None = None) -> dict[str, Any]:
    """``{counters, drivers, map}`` for the operators' page."""
    drivers = drivers_by_state(heard())
    with db.reads() as connection:
        found = figures_on(connection, drivers)
        return {
            "counters": _counters(connection, found, now),
            "drivers": found.drivers,
            "map": _map(connection),
        }


def search(order_id: str) -> dict[str, Any]:
    """How far the search of an order has come; of one that is not placed there is none yet."""
    with db.reads() as connection:
        row = connection.execute(SEARCH, {"order_id": order_id}).one_or_none()
    if row is None:
        return {"searching": False, "round": 0, "wave": 0, "radiusKm": 0, "nextWaveAt": None}
    return {"searching": row.searching, "round": row.round} | _progress(row)


def _progress(row: Row[Any]) -> dict[str, Any]:
    return {
        "wave": row.wave,
        "radiusKm": radius_km(row.wave) if row.wave else 0,
        "nextWaveAt": iso(row.next_wave_at) if row.next_wave_at else None,
    }


def _counters(connection: Connection, found: OrderFigures, now: datetime | None) -> dict[str, Any]:
    at = {"now": now}
    present = counts(connection.execute(PRESENT).all(), PRESENT_STATES)
    ended = _ended(connection, now)
    first_offer = connection.execute(FIRST_OFFER, at).one()
    p50, p99 = first_offer.seconds or (None, None)
    return {
        "queued": found.admissions["queued"],
        "searching": sum(found.searching.values()),
        "partiallyFilled": present["partially_filled"],
        "fullyFilled": present["fully_filled"],
        "inProgress": present["in_progress"],
        "lastHour": {name: ended[kind] for kind, name in ENDS.items()},
        "deadAdmissions": found.admissions["dead"],
        "failedRows": sum(found.failed_rows.values()),
        "outboxOldestSeconds": found.outbox_oldest_seconds,
        "ordersPerMinute": connection.execute(ARRIVED, at).scalar_one(),
        "ordersRefused": _refused(),
        "firstOffer": {"orders": first_offer.orders, "p50Seconds": p50, "p99Seconds": p99},
    }


def _refused() -> int:
    try:
        return refusals.count()
    except redis.RedisError:
        return 0


def _ended(connection: Connection, now: datetime | None) -> Counts:
    """What has ended in the last hour, minute by minute: what was counted of a minute that is over is kept.

    For another ``now`` than that of the clock nothing is kept.
    """
    moment = now or clock.now()
    this_minute = moment.replace(second=0, microsecond=0)
    minutes = [this_minute - timedelta(minutes=ago) for ago in range(61)]
    known = figures.recall([_name(minute) for minute in minutes]) if now is None else [None] * len(minutes)
    total, new = dict.fromkeys(ENDS, 0), {}
    for minute, ended in zip(minutes, known, strict=True):
        if ended is None:
            since = max(minute, moment - timedelta(hours=1))
            found = connection.execute(ENDED, {"since": since, "until": minute + timedelta(minutes=1)}).all()
            ended = counts(found, tuple(ENDS))
            if since == minute and moment - minute >= timedelta(seconds=60 + CLOSED_SECONDS):
                new[_name(minute)] = ended
        total = {kind: count + ended[kind] for kind, count in total.items()}
    if new and now is None:
        figures.remember(new, REMEMBERED_SECONDS)
    return total


def _name(minute: datetime) -> str:
    return f"ended:{minute:%Y-%m-%dT%H:%M}"


def _map(connection: Connection) -> dict[str, Any]:
    orders = connection.execute(ORDERS_ON_MAP, {"limit": MAP_ORDERS}).all()
    return {
        "orders": readable("order on the map", orders, _order_on_map),
        "drivers": _drivers_on_map(connection),
        "ordersLimit": MAP_ORDERS,
        "driversLimit": MAP_DRIVERS,
    }


def _drivers_on_map(connection: Connection) -> list[dict[str, Any]]:
    """Those heard of last and those on a trip, and anybody else only while these are few."""
    try:
        ids, index_away = set(driver_index.newest(MAP_DRIVERS)), False
    except redis.RedisError:
        ids, index_away = set(), True
    ids |= set(connection.execute(ON_TRIPS, {"limit": MAP_TRIPS}).scalars())
    if len(ids) < MAP_DRIVERS:
        ids |= set(connection.execute(FIRST_DRIVERS, {"limit": MAP_DRIVERS}).scalars())
    values = {"ids": list(ids), "presence": settings.load().driver_presence_seconds}
    rows = sorted(connection.execute(DRIVERS_ON_MAP, values), key=lambda row: row.id)
    shown = sorted(rows, key=lambda row: row.last_position_at, reverse=True)[:MAP_DRIVERS]
    present = [row.fresh for row in shown] if index_away else _present(shown)
    return readable("driver on the map", list(zip(shown, present, strict=True)), _driver_and_state)


def _driver_and_state(found: tuple[Row[Any], bool]) -> dict[str, Any]:
    row, heard = found
    return _driver_on_map(row, _state(row, heard))


def _present(rows: Sequence[Row[Any]]) -> list[bool]:
    """Whether each of them would be asked now."""
    since = since_ms()
    try:
        times = driver_index.seen([(row.vehicle, row.id) for row in rows])
    except redis.RedisError:
        return [row.fresh for row in rows]
    return [seen is not None and seen >= since for seen in times]


def _state(row: Row[Any], heard: bool) -> str:
    if row.status is not None:
        return "on_trip" if row.status in LOADED else "busy"
    if not row.available:
        return "unavailable"
    return "available" if heard else "silent"


def _order_on_map(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "status": row.status,
        "pickup": row.pickup,
        "totalTrucks": row.total_trucks,
        "trucksFilled": row.trucks_filled,
        "expiresAt": iso(row.expires_at),
        "createdAt": iso(row.created_at),
    } | _progress(row)


def _driver_on_map(row: Row[Any], state: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": state,
        "vehicleType": row.vehicle_type,
        "vehicleSubtype": row.vehicle_subtype,
        "latitude": row.last_latitude,
        "longitude": row.last_longitude,
        "at": iso(row.last_position_at),
    }
