"""What operators look at: counters of this moment and the last hour, a map, how far a search has come."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db
from models.messages import iso
from models.orders import PRESENT_STATES
from workers.matching import radius_km
from workers.overseeing import DRIVERS, Figures, counts, figures_on, heard, presence

ENDS = {"order_expired": "expired", "order_cancelled": "cancelled", "order_completed": "completed"}

# More would be a crowd on any map, and a page that takes seconds to draw.
MAP_ORDERS = 500
MAP_DRIVERS = 2000
FIRST_OFFER_MINUTES = 5

DRIVERS_ON_MAP = text(f"""
    SELECT * FROM ({DRIVERS}) AS driver WHERE last_position_at IS NOT NULL
    ORDER BY last_position_at DESC, id LIMIT :limit
""")
ENDED = text(f"""
    SELECT type, count(*) FROM order_events
    WHERE at > coalesce(:now, now()) - interval '1 hour' AND type IN {tuple(ENDS)} GROUP BY type
""")
PRESENT = text(f"SELECT status, count(*) FROM orders WHERE status IN {PRESENT_STATES} GROUP BY status")
ARRIVED = text("""
    SELECT count(*) FROM admissions
    WHERE created_at > coalesce(:now, now()) - interval '1 minute' AND state <> 'refused'
""")
# From the admission's commit to the first wave that found somebody, of orders placed lately. One pass
# over the audit's last minutes: an order has its waves after it was placed. The console asks every second.
FIRST_OFFER = text(f"""
    SELECT count(*) AS orders, percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM first.at - admission.created_at)::float8) AS seconds
    FROM (
        SELECT order_id, min(at) FILTER (
            WHERE type = 'wave_sent' AND jsonb_array_length(data -> 'drivers') > 0) AS at
        FROM order_events
        WHERE type IN ('order_placed', 'wave_sent')
            AND at > coalesce(:now, now()) - interval '{FIRST_OFFER_MINUTES} minutes'
        GROUP BY order_id HAVING bool_or(type = 'order_placed')
    ) AS first
    JOIN admissions AS admission USING (order_id)
    WHERE first.at IS NOT NULL
""")
ORDERS_ON_MAP = text("""
    SELECT id, status, pickup, wave, total_trucks, trucks_filled, next_wave_at, expires_at, created_at
    FROM orders WHERE searching ORDER BY expires_at, id LIMIT :limit
""")
SEARCH = text("SELECT searching, round, wave, next_wave_at FROM orders WHERE id = :order_id")


def overview(now: datetime | None = None) -> dict[str, Any]:
    """``{counters, drivers, map}`` for the operators' page."""
    index = heard()
    with db.statements() as connection:
        found = figures_on(connection, index)
        return {
            "counters": _counters(connection, found, now),
            "drivers": found.drivers,
            "map": _map(connection, index),
        }


def search(order_id: str) -> dict[str, Any]:
    """How far the search of an order has come; of one that is not placed there is none yet."""
    with db.statements() as connection:
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


def _counters(connection: Connection, found: Figures, now: datetime | None) -> dict[str, Any]:
    at = {"now": now}
    present = counts(connection.execute(PRESENT).all(), PRESENT_STATES)
    ended = counts(connection.execute(ENDED, at).all(), tuple(ENDS))
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
        "ordersPerMinute": connection.execute(ARRIVED, at).scalar_one(),
        "firstOffer": {"orders": first_offer.orders, "p50Seconds": p50, "p99Seconds": p99},
    }


def _map(connection: Connection, heard: Collection[str] | None) -> dict[str, Any]:
    orders = connection.execute(ORDERS_ON_MAP, {"limit": MAP_ORDERS}).all()
    drivers = connection.execute(DRIVERS_ON_MAP, presence(heard) | {"limit": MAP_DRIVERS}).all()
    return {
        "orders": [_order_on_map(row) for row in orders],
        "drivers": [_driver_on_map(row) for row in drivers],
        "ordersLimit": MAP_ORDERS,
        "driversLimit": MAP_DRIVERS,
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


def _driver_on_map(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": row.state,
        "vehicleType": row.vehicle_type,
        "vehicleSubtype": row.vehicle_subtype,
        "latitude": row.last_latitude,
        "longitude": row.last_longitude,
        "at": iso(row.last_position_at),
    }
