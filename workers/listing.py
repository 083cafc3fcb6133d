"""Lists of orders, page by page, and the story of one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from models import db, money
from models.messages import iso
from workers.reading import order_view, unplaced_view

# So many events and offers, of some 300 bytes each, stay well below 64 KB.
STORY_ROWS = 50

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
# A wave of 100 trucks asks 1,000 drivers. Its event names the first of them and how many there were; the
# offers name all.
DRIVERS_OF_A_WAVE = 10
EVENTS = text(f"""
    SELECT id, at, type, CASE WHEN jsonb_array_length(data -> 'drivers') > {DRIVERS_OF_A_WAVE}
        THEN data || jsonb_build_object(
            'drivers', jsonb_path_query_array(data, '$.drivers[0 to {DRIVERS_OF_A_WAVE - 1}]'),
            'driversAsked', jsonb_array_length(data -> 'drivers'))
        ELSE data END AS data
    FROM order_events WHERE order_id = :order_id AND id > :event ORDER BY id LIMIT :limit
""")
OFFERS = text("""
    SELECT id, driver_id, truck_request_id, fare, round, wave, pickup_distance_km, state, offered_at,
        closed_at
    FROM offers
    WHERE order_id = :order_id AND (CAST(:offer AS uuid) IS NULL
        OR (offered_at, id) > (SELECT offered_at, id FROM offers WHERE id = CAST(:offer AS uuid)))
    ORDER BY offered_at, id LIMIT :limit
""")


@dataclass(frozen=True)
class Mark:
    """Where a page of an order's story ended: the last event and the last offer that it showed."""

    event: int = 0
    offer: str | None = None

    def __str__(self) -> str:
        return f"{self.event}.{self.offer or ''}"


def orders(customer_id: str | None, limit: int, cursor: str | None, status: str | None) -> dict[str, Any]:
    """``{orders, nextCursor}``, newest first; of one customer, or of all for ``None``."""
    page = {"customer_id": customer_id, "cursor": cursor, "status": status, "limit": limit + 1}
    with db.statements() as connection:
        placed = [order_view(row) for row in connection.execute(ORDERS, page)]
        unplaced = [unplaced_view(row) for row in connection.execute(UNPLACED, page)]
    found = sorted(placed + unplaced, key=lambda view: str(view["id"]), reverse=True)
    more = len(found) > limit
    return {"orders": found[:limit], "nextCursor": found[limit - 1]["id"] if more else None}


def story(order_id: str, limit: int = STORY_ROWS, after: Mark | None = None) -> dict[str, Any]:
    """``{events, offers, nextCursor}``: what happened, and who was asked when and how that ended, oldest
    first; at most ``limit`` of each, from ``after`` on.
    """
    after = after or Mark()
    wanted = {"order_id": order_id, "event": after.event, "offer": after.offer, "limit": limit + 1}
    with db.statements() as connection:
        events = connection.execute(EVENTS, wanted).all()
        offers = connection.execute(OFFERS, wanted).all()
    more = len(events) > limit or len(offers) > limit
    events, offers = events[:limit], offers[:limit]
    end = Mark(events[-1].id if events else after.event, str(offers[-1].id) if offers else after.offer)
    return {
        "events": [_event(row) for row in events],
        "offers": _offers(offers),
        "nextCursor": str(end) if more else None,
    }


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
