"""Ends searches whose time is over, and notifies their customers and drivers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db, messages, outbox
from models.failed_rows import not_left_behind
from models.messages import Message
from workers import events
from workers.drivers import trips
from workers.events import AuditEvent
from workers.offers.closing import Closed, offer_ended

DUE = text(f"""
    SELECT id FROM orders WHERE searching AND expires_at <= coalesce(:now, now())
        AND {not_left_behind("expire", "orders.id")}
    ORDER BY expires_at LIMIT :limit
""")

# Locks the orders that are still due; an accept, a cancel or another sweep that was first wins. (`IS TRUE`
# keeps the planner from any index but that of the ids.)
LOCK = text("""
    SELECT id, customer_id, round, trucks_filled, total_trucks FROM orders
    WHERE id = ANY(CAST(:ids AS uuid[])) AND (searching AND expires_at <= coalesce(:now, now())) IS TRUE
    ORDER BY id FOR UPDATE SKIP LOCKED
""")

# One before its time: an operator waits for another transaction and then sees what is left.
LOCK_SEARCHING = text("""
    SELECT id, customer_id, round, trucks_filled, total_trucks FROM orders
    WHERE id = :order_id AND searching FOR UPDATE
""")

# A statement of its own, so that it sees what was committed before the locks were taken.
END_SEARCHES = text("""
    WITH ended AS (
        UPDATE orders SET searching = false, next_wave_at = NULL, updated_at = coalesce(:now, now()),
            status = CASE WHEN trucks_filled = 0 THEN 'expired' ELSE status END
        WHERE id = ANY(CAST(:ids AS uuid[]))
    ), trucks AS (
        UPDATE truck_requests SET status = 'expired', updated_at = coalesce(:now, now())
        WHERE order_id = ANY(CAST(:ids AS uuid[])) AND status = 'searching'
    )
    UPDATE offers SET state = 'expired', closed_at = coalesce(:now, now())
    WHERE order_id = ANY(CAST(:ids AS uuid[])) AND state = 'open'
    RETURNING id, order_id, driver_id
""")


def due(now: datetime | None = None, limit: int = 1000) -> list[str]:
    """Orders whose search should have ended, the longest overdue first."""
    with db.statements() as connection:
        rows = connection.execute(DUE, {"now": now, "limit": limit})
        return [str(row.id) for row in rows]


def expire_all(order_ids: Sequence[str], now: datetime | None = None) -> list[outbox.Followup]:
    """Expires due searches. A row that another process took first is skipped."""
    with db.transaction() as connection:
        rows = connection.execute(LOCK, {"ids": list(order_ids), "now": now}).all()
        return _end_searches(connection, rows, now) if rows else []


def expire(order_id: str, now: datetime | None = None) -> outbox.Followup | None:
    """The same for one; ``None`` if it is skipped."""
    return next(iter(expire_all([order_id], now)), None)


def end_now(order_id: str, operator: str, now: datetime | None = None) -> outbox.Followup | None:
    """Ends one search before its time, for an operator; ``None`` if the search is over."""
    with db.transaction() as connection:
        order = connection.execute(LOCK_SEARCHING, {"order_id": order_id}).one_or_none()
        if order is None:
            return None
        events.record(connection, order_id, "expiry_ordered", now, {"operator": operator})
        return _end_searches(connection, [order], now)[0]


def _end_searches(
    connection: Connection, orders: Sequence[Row[Any]], now: datetime | None
) -> list[outbox.Followup]:
    closed = connection.execute(END_SEARCHES, {"ids": [str(order.id) for order in orders], "now": now})
    asked: dict[str, list[Closed]] = {str(order.id): [] for order in orders}
    for row in closed:
        asked[str(row.order_id)].append(Closed(str(row.id), row.driver_id))
    happened, notices = [], []
    for order in orders:
        order_id, partly = str(order.id), order.trucks_filled > 0
        ended = sorted(asked[order_id], key=lambda offer: offer.driver_id)
        data = {"trucksFilled": order.trucks_filled, "drivers": [offer.driver_id for offer in ended]}
        happened.append(AuditEvent(order_id, "search_ended" if partly else "order_expired", data))
        ends = [_to_customer(order, partly), *_to_drivers(order_id, ended, partly)]
        notices.append(outbox.Notice(order_id, ends))
    events.record_all(connection, happened, now)
    for order in orders:
        if order.trucks_filled:
            trips.settle(connection, str(order.id), now)
    return outbox.add_all(connection, notices)


def _to_customer(order: Row[Any], partly: bool) -> Message:
    order_id = str(order.id)
    data = {"orderId": order_id, "trucksFilled": order.trucks_filled, "totalTrucks": order.total_trucks}
    kind = "broadcast_expired" if partly else "order_expired"
    return Message(messages.customer(order.customer_id), kind, data, key=f"ended:{order_id}:{order.round}")


def _to_drivers(order_id: str, ended: list[Closed], partly: bool) -> list[Message]:
    if partly:
        return offer_ended(ended, "request_no_longer_available", order_id, {"reason": "expired"})
    return offer_ended(ended, "order_expired", order_id, {})
