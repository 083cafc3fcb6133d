"""Lists of orders, page by page, and the story of one order."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from models import db, money
from models.messages import iso
from workers.reading import order_view, unplaced_view

# Ids are UUIDv7: their order is the order of arrival, so the last id of a page is its cursor.
ORDERS = text("""
    SELECT * FROM orders
    WHERE (CAST(:customer_id AS text) IS NULL OR customer_id = :customer_id)
        AND (CAST(:cursor AS uuid) IS NULL OR id < :cursor)
        AND (CAST(:status AS text) IS NULL OR status = :status)
    ORDER BY id DESC LIMIT :limit
""")
UNPLACED = text("""
    SELECT order_id, customer_id, state, rejection, created_at FROM admissions
    WHERE state IN ('queued', 'rejected', 'cancelled', 'dead')
        AND (CAST(:customer_id AS text) IS NULL OR customer_id = :customer_id)
        AND (CAST(:cursor AS uuid) IS NULL OR order_id < :cursor)

            AND (CAST(:status AS text) IS NULL
            OR (CASE state WHEN 'dead' THEN 'rejected' ELSE state END) = :status)
    ORDER BY order_id DESC LIMIT :limit
""")
EVENTS = text("SELECT id, at, type, data FROM order_events WHERE order_id = :order_id ORDER BY id")
OFFERS = text("""
    SELECT driver_id, truck_request_id, fare, round, wave, pickup_distance_km, state, offered_at, closed_at
    FROM offers WHERE order_id = :order_id ORDER BY offered_at, pickup_distance_km, driver_id
""")


def orders(customer_id: str | None, limit: int, cursor: str | None, status: str | None) -> dict[str, Any]:
    """``{orders, nextCursor}``, newest first; of one customer, or of all for ``None``."""
    page = {"customer_id": customer_id, "cursor": cursor, "status": status, "limit": limit + 1}
    with db.statements() as connection:
        placed = [order_view(row) for row in connection.execute(ORDERS, page)]
        unplaced = [unplaced_view(row) for row in connection.execute(UNPLACED, page)]
    found = sorted(placed + unplaced, key=lambda view: str(view["id"]), reverse=True)
    more = len(found) > limit
    return {"orders": found[:limit], "nextCursor": found[limit - 1]["id"] if more else None}


def story(order_id: str) -> dict[str, Any]:
    """``{events, offers}``: what happened, and who was asked when and how that ended."""
    ids = {"order_id": order_id}
    with db.statements() as connection:
        events = connection.execute(EVENTS, ids).all()
        offers = connection.execute(OFFERS, ids).all()
    return {"events": [_event(row) for row in events], "offers": _offers(offers)}


def _event(row: Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "at": iso(row.at), "type": row.type, "data": row.data}


def _offers(rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {
            "driverId": row.driver_id,
            "truckRequestId": str(row.truck_request_id),
            "farePerTruck": money.number(row.fare),
            "round": row.round,
            "wave": row.wave,
            "pickupDistanceKm": row.pickup_distance_km,
            "state": row.state,
            "offeredAt": iso(row.offered_at),
            "closedAt": iso(row.closed_at) if row.closed_at else None,
        }
        for row in rows
    ]
