"""What operators look at: counters of this moment and the last hour, a map, how far a search has come."""

from datetime import datetime
from typing import Any

import redis
from sqlalchemy import Connection, Row, text

from models import db
from models.keyset import LARGEST_ID
from models.live import refusals
from models.messages import iso
from models.tables.orders import PRESENT_STATES
from workers.failing import readable
from workers.offers.matching import radius_km
from workers.reading import drivers_on_map
from workers.reading.figures import (
    MOST,
    OrderFigures,
    counted_each,
    counts,
    drivers_by_state,
    figures_on,
    heard,
)
from workers.reading.minutes import ByMinute

ENDS = {"order_expired": "expired", "order_cancelled": "cancelled", "order_completed": "completed"}

# More would be a crowd on any map, and a page that takes seconds to draw.
MAP_ORDERS = 500
FIRST_OFFER_MINUTES = 5
FIRST_OFFER_ORDERS = 1000

ENDED = text(f"""
    SELECT type AS name, count(*) AS number FROM (
        SELECT type FROM order_events
        WHERE at >= :since AND at < :until AND type IN {tuple(ENDS)} LIMIT {MOST}
    ) AS counted GROUP BY type
""")
# A transaction's time is that of its beginning.
ENDED_BY_MINUTE = ByMinute("ended", ENDED, tuple(ENDS), closed_seconds=15)
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
            "counters": counters(connection, found, now),
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


def counters(connection: Connection, found: OrderFigures, now: datetime | None = None) -> dict[str, Any]:
    """The figures above the map."""
    at = {"now": now}
    present = counts(connection.execute(PRESENT).all(), PRESENT_STATES)
    ended = ENDED_BY_MINUTE.of_last_hour(connection, now)
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


def _map(connection: Connection) -> dict[str, Any]:
    orders = connection.execute(ORDERS_ON_MAP, {"limit": MAP_ORDERS}).all()
    return {
        "orders": readable("order on the map", orders, _order_on_map),
        "drivers": drivers_on_map.read(connection),
        "ordersLimit": MAP_ORDERS,
        "driversLimit": drivers_on_map.MOST,
    }


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
