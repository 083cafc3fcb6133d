"""Lists of orders, page by page, and the story of one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from models import db, money
from models.keyset import LARGEST_ID, keyset
from models.messages import iso
from models.tables.admissions import NEVER_PLACED as NEVER_PLACED_STATES
from models.tables.admissions import UNPLACED
from models.tables.orders import ORDER_STATES
from workers.views import order_view, unplaced_view

# At some 300 bytes each, a page stays well below 64 KB.
STORY_ROWS = 50

# An order that was never placed, by the status that its customer sees.
NEVER_PLACED = {"queued": ("queued",), "rejected": ("rejected", "dead"), "cancelled": ("cancelled",)}


def _placed(own: bool, status: str | None) -> TextClause:
    """One page of orders; of a customer's orders of all statuses, the newest of a page of each."""
    statuses = [status] if status else ORDER_STATES if own else [None]
    keys = [_key(own) | ({"status": f"'{status}'"} if status else {}) for status in statuses]
    return _newest("id", [f"SELECT * FROM orders WHERE {keyset(key, 'id', ':cursor')}" for key in keys])


def _unplaced(own: bool, status: str | None) -> TextClause:
    """One page of admissions: the newest of a page of each state."""
    states = NEVER_PLACED[status] if status else UNPLACED
    return _newest("order_id", [_of_state(own, state) for state in states])


def _of_state(own: bool, state: str) -> str:
    columns = "SELECT order_id, customer_id, state, rejection, created_at FROM admissions WHERE"
    if own and state == "queued":
        # One at most.
        return f"{columns} customer_id = :customer_id AND state = 'queued' AND (order_id < :cursor) IS TRUE"
    page = keyset({"state": f"'{state}'"} | _key(own), "order_id", ":cursor")
    index = f"state IN {NEVER_PLACED_STATES}" if own else f"state IN {UNPLACED} AND order_id < :cursor"
    return f"{columns} {index} AND {page}"


def _key(own: bool) -> dict[str, str]:
    return {"customer_id": ":customer_id"} if own else {}


def _newest(column: str, queries: Sequence[str]) -> TextClause:
    pages = " UNION ALL ".join(f"({query} LIMIT :limit)" for query in queries)
    return text(f"SELECT * FROM ({pages}) AS page ORDER BY {column} DESC LIMIT :limit")


PLACED_PAGES = {
    (own, status): _placed(own, status) for own in (True, False) for status in (None, *ORDER_STATES)
}
UNPLACED_PAGES = {
    (own, status): _unplaced(own, status) for own in (True, False) for status in (None, *NEVER_PLACED)
}

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
    page = {"customer_id": customer_id, "cursor": cursor or LARGEST_ID, "limit": limit + 1}
    which = (customer_id is not None, status)
    with db.reads() as connection:
        placed = [order_view(row) for row in _rows(connection, PLACED_PAGES.get(which), page)]
        unplaced = [unplaced_view(row) for row in _rows(connection, UNPLACED_PAGES.get(which), page)]
    found = sorted(placed + unplaced, key=lambda view: str(view["id"]), reverse=True)
    more = len(found) > limit
    return {"orders": found[:limit], "nextCursor": found[limit - 1]["id"] if more else None}


def _rows(connection: Connection, statement: TextClause | None, page: dict[str, Any]) -> Sequence[Row[Any]]:
    """The rows of a page; none where no row of the table can have the status that was asked for."""
    return connection.execute(statement, page).all() if statement is not None else ()


def story(order_id: str, limit: int = STORY_ROWS, after: Mark | None = None) -> dict[str, Any]:
    """``{events, offers, nextCursor}``: what happened, and who was asked when and how that ended, oldest
    first; at most ``limit`` of each, from ``after`` on.
    """
    after = after or Mark()
    wanted = {"order_id": order_id, "event": after.event, "offer": after.offer, "limit": limit + 1}
    with db.reads() as connection:
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
