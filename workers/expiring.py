"""Ends searches whose time is over, and tells everybody who waits on them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db, messages, outbox
from models.messages import Message
from workers import events, trips
from workers.closing import close_offers, told_of_end

DUE = text("""
    SELECT id FROM orders WHERE searching AND expires_at <= coalesce(:now, now())
    ORDER BY expires_at LIMIT :limit
""")

# Locks one order that is still due; an accept, a cancel or another sweep that was first wins.
LOCK = text("""
    SELECT id, customer_id, round, trucks_filled, total_trucks FROM orders
    WHERE id = :order_id AND searching AND expires_at <= coalesce(:now, now()) FOR UPDATE SKIP LOCKED
""")

# The same before its time; an operator waits for whoever holds the order and then sees what is left.
LOCK_SEARCHING = text("""
    SELECT id, customer_id, round, trucks_filled, total_trucks FROM orders
    WHERE id = :order_id AND searching FOR UPDATE
""")

END_SEARCH = text("""
    UPDATE orders SET searching = false, next_wave_at = NULL, updated_at = coalesce(:now, now()),
        status = CASE WHEN trucks_filled = 0 THEN 'expired' ELSE status END
    WHERE id = :order_id
""")

EXPIRE_TRUCKS = text("""
    UPDATE truck_requests SET status = 'expired', updated_at = coalesce(:now, now())
    WHERE order_id = :order_id AND status = 'searching'
""")


def due(now: datetime | None = None, limit: int = 200) -> list[str]:
    """Orders whose search should have ended, the longest overdue first."""
    with db.statements() as connection:
        rows = connection.execute(DUE, {"now": now, "limit": limit})
        return [str(row.id) for row in rows]


def expire(order_id: str, now: datetime | None = None) -> outbox.Followup | None:
    """Ends one search that is due; ``None`` if it is not, or somebody else was first."""
    with db.transaction() as connection:
        order = connection.execute(LOCK, {"order_id": order_id, "now": now}).one_or_none()
        return None if order is None else _end_search(connection, order, now)


def end_now(order_id: str, operator: str, now: datetime | None = None) -> outbox.Followup | None:
    """Ends one search before its time, for an operator; ``None`` if nothing is searched for any more."""
    with db.transaction() as connection:
        order = connection.execute(LOCK_SEARCHING, {"order_id": order_id}).one_or_none()
        if order is None:
            return None
        events.record(connection, order_id, "expiry_ordered", now, {"operator": operator})
        return _end_search(connection, order, now)


def _end_search(connection: Connection, order: Row[Any], now: datetime | None) -> outbox.Followup:
    order_id = str(order.id)
    connection.execute(END_SEARCH, {"order_id": order_id, "now": now})
    connection.execute(EXPIRE_TRUCKS, {"order_id": order_id, "now": now})
    drivers = close_offers(connection, order_id, "expired", now)
    partly = order.trucks_filled > 0
    kind = "search_ended" if partly else "order_expired"
    events.record(connection, order_id, kind, now, {"trucksFilled": order.trucks_filled, "drivers": drivers})
    if partly:
        trips.settle(connection, order_id, now)
    told = [_tell_customer(order, partly), *_tell_drivers(order, drivers, partly)]
    return outbox.add(connection, order_id, told)


def _tell_customer(order: Row[Any], partly: bool) -> Message:
    order_id = str(order.id)
    data = {"orderId": order_id, "trucksFilled": order.trucks_filled, "totalTrucks": order.total_trucks}
    kind = "broadcast_expired" if partly else "order_expired"
    return Message(messages.customer(order.customer_id), kind, data, key=f"ended:{order_id}:{order.round}")


def _tell_drivers(order: Row[Any], drivers: list[str], partly: bool) -> list[Message]:
    if partly:
        return told_of_end(
            drivers, "request_no_longer_available", str(order.id), order.round, {"reason": "expired"}
        )
    return told_of_end(drivers, "order_expired", str(order.id), order.round, {})
