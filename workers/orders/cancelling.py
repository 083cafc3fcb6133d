"""Cancels an order for its customer: before it is placed, while it searches, or until a truck is loaded."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db, messages, outbox
from models.errors import OrderNotCancellable, OrderNotFound
from models.messages import Message
from models.tables.orders import LOADED, RUNNING
from workers import events
from workers.offers.closing import close_offers, offer_ended
from workers.orders.admitting import ANSWERED_QUEUED

LOCK = text("SELECT id, status FROM orders WHERE id = :order_id AND customer_id = :customer_id FOR UPDATE")

# Waits for a placing that holds the row; then the order exists and is cancelled as such.
CANCEL_QUEUED = text(f"""
    UPDATE admissions SET state = 'cancelled', decided_at = coalesce(:now, now()), {ANSWERED_QUEUED}
    WHERE order_id = :order_id AND (customer_id = :customer_id AND state = 'queued') IS TRUE
""")

ADMISSION = text(
    "SELECT state FROM admissions WHERE order_id = :order_id AND (customer_id = :customer_id) IS TRUE"
)

TRUCKS = text("SELECT id, status, driver_id FROM truck_requests WHERE order_id = :order_id")

CANCEL_ORDER = text("""
    UPDATE orders SET status = 'cancelled', searching = false, next_wave_at = NULL, cancel_reason = :reason,
        updated_at = coalesce(:now, now())
    WHERE id = :order_id
""")

CANCEL_TRUCKS = text("""
    UPDATE truck_requests SET status = 'cancelled', updated_at = coalesce(:now, now())
    WHERE order_id = :order_id AND status <> 'expired'
""")


def cancel(
    customer_id: str, order_id: str, reason: str, now: datetime | None = None
) -> outbox.Followup | None:
    """Cancels the order; ``None`` if it was cancelled already or never placed.

    Raises ``OrderNotFound`` and ``OrderNotCancellable`` (finished, or a truck is loaded).
    """
    ids = {"order_id": order_id, "customer_id": customer_id, "now": now}
    with db.transaction() as connection:
        # Twice: the first try may wait for the placing that makes the order appear.
        for _ in range(2):
            order = connection.execute(LOCK, ids).one_or_none()
            if order is not None:
                return _cancel(connection, order, reason, now)
            if connection.execute(CANCEL_QUEUED, ids).rowcount:
                return None
        _refuse_unplaced(connection.execute(ADMISSION, ids).scalar_one_or_none())
    return None


def _refuse_unplaced(state: str | None) -> None:
    if state is None or state == "refused":
        raise OrderNotFound
    if state != "cancelled":
        raise OrderNotCancellable


def _cancel(
    connection: Connection, order: Row[Any], reason: str, now: datetime | None
) -> outbox.Followup | None:
    order_id = str(order.id)
    if order.status == "cancelled":
        return None
    trucks = connection.execute(TRUCKS, {"order_id": order_id}).all()
    if order.status in ("completed", "expired") or any(truck.status in LOADED for truck in trucks):
        raise OrderNotCancellable
    connection.execute(CANCEL_ORDER, {"order_id": order_id, "reason": reason, "now": now})
    connection.execute(CANCEL_TRUCKS, {"order_id": order_id, "now": now})
    closed = close_offers(connection, order_id, "cancelled", now)
    assigned = sorted(truck.driver_id for truck in trucks if truck.status in RUNNING)
    data = {
        "reason": reason,
        "drivers": [offer.driver_id for offer in closed],
        "assignedDrivers": assigned,
    }
    events.record(connection, order_id, "order_cancelled", now, data)
    news = {"orderId": order_id, "reason": reason}
    notices = [
        *(
            Message(messages.driver(driver_id), "order_cancelled", news, key=f"cancelled:{order_id}")
            for driver_id in assigned
        ),
        *offer_ended(closed, "order_cancelled", order_id, {"reason": reason}),
    ]
    return outbox.add(connection, order_id, notices, changed_drivers=assigned)
