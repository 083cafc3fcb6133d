"""Cancels an order at any stage, or gives its search more time, for an operator."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db, messages, outbox
from models.errors import OrderNotCancellable, OrderNotFound
from models.messages import Message, iso
from models.tables.orders import RUNNING
from workers import events
from workers.drivers import trips
from workers.offers.closing import close_offers, offer_ended
from workers.orders.admitting import ANSWERED_QUEUED
from workers.orders.cancelling import CANCEL_ORDER, TRUCKS

# What a click gives, and the most that a search has left to get it: a second click in a row changes nothing.
EXTENSION_SECONDS = 60

# Waits for a placing that holds the row, like the customer's own cancel.
CANCEL_QUEUED = text(f"""
    UPDATE admissions SET state = 'cancelled', decided_at = coalesce(:now, now()), {ANSWERED_QUEUED}
    WHERE order_id = :order_id AND (state = 'queued') IS TRUE RETURNING customer_id
""")
ADMISSION = text("SELECT state FROM admissions WHERE order_id = :order_id")
# What was delivered stays delivered.
CANCEL_TRUCKS = text("""
    UPDATE truck_requests SET status = 'cancelled', updated_at = coalesce(:now, now())
    WHERE order_id = :order_id AND status NOT IN ('expired', 'completed')
""")
EXTEND = text(f"""
    UPDATE orders SET expires_at = expires_at + interval '{EXTENSION_SECONDS} seconds',
        updated_at = coalesce(:now, now())
    WHERE id = :order_id AND (
        searching AND expires_at > coalesce(:now, now())
        AND expires_at <= coalesce(:now, now()) + interval '{EXTENSION_SECONDS} seconds'
    ) IS TRUE
    RETURNING customer_id, expires_at
""")
ASKED = text("SELECT driver_id FROM offers WHERE order_id = :order_id AND state = 'open' ORDER BY driver_id")


def cancel(order_id: str, operator: str, reason: str, now: datetime | None = None) -> outbox.Followup | None:
    """Cancels the order, loaded trucks too; ``None`` if it was cancelled already.

    Raises ``OrderNotFound`` and ``OrderNotCancellable`` (finished, or never placed).
    """
    ids = {"order_id": order_id, "now": now}
    with db.transaction() as connection:
        # Twice: the first try may wait for the placing that makes the order appear.
        for _ in range(2):
            order = connection.execute(trips.LOCK, ids).one_or_none()
            if order is not None:
                return _cancel(connection, order, operator, reason, now)
            customer = connection.execute(CANCEL_QUEUED, ids).scalar_one_or_none()
            if customer is not None:
                data = {"reason": reason, "operator": operator, "drivers": [], "assignedDrivers": []}
                events.record(connection, order_id, "order_cancelled", now, data)
                return outbox.add(connection, order_id, [_to_customer(customer, order_id, reason)])
        state = connection.execute(ADMISSION, ids).scalar_one_or_none()
    if state == "cancelled":
        return None
    raise OrderNotFound if state in (None, "refused") else OrderNotCancellable


def _cancel(
    connection: Connection, order: Row[Any], operator: str, reason: str, now: datetime | None
) -> outbox.Followup | None:
    order_id = str(order.id)
    if order.status == "cancelled":
        return None
    if order.status in ("completed", "expired"):
        raise OrderNotCancellable
    running = [
        truck for truck in connection.execute(TRUCKS, {"order_id": order_id}).all() if truck.status in RUNNING
    ]
    connection.execute(CANCEL_ORDER, {"order_id": order_id, "reason": reason, "now": now})
    connection.execute(CANCEL_TRUCKS, {"order_id": order_id, "now": now})
    closed = close_offers(connection, order_id, "cancelled", now)
    assigned = sorted(truck.driver_id for truck in running)
    asked = [offer.driver_id for offer in closed]
    data = {"reason": reason, "operator": operator, "drivers": asked, "assignedDrivers": assigned}
    events.record(connection, order_id, "order_cancelled", now, data)
    news = {"orderId": order_id, "reason": reason}
    notices = [
        *(trips.status_changed(order, str(truck.id), truck.driver_id, "cancelled") for truck in running),
        _to_customer(order.customer_id, order_id, reason),
        *(
            Message(messages.driver(driver_id), "order_cancelled", news, key=f"cancelled:{order_id}")
            for driver_id in assigned
        ),
        *offer_ended(closed, "order_cancelled", order_id, {"reason": reason}),
    ]
    return outbox.add(connection, order_id, notices, changed_drivers=assigned)


def _to_customer(customer_id: str, order_id: str, reason: str) -> Message:
    news = {"orderId": order_id, "reason": reason}
    return Message(messages.customer(customer_id), "order_cancelled", news, key=f"cancelled:{order_id}")


def extend(order_id: str, operator: str, reason: str, now: datetime | None = None) -> outbox.Followup | None:
    """Gives a running search 60 s more; ``None`` if it is over or has more than 60 s left."""
    ids = {"order_id": order_id, "now": now}
    with db.transaction() as connection:
        order = connection.execute(EXTEND, ids).one_or_none()
        if order is None:
            return None
        until = {"expiresAt": iso(order.expires_at)}
        data = {"operator": operator, "reason": reason} | until
        events.record(connection, order_id, "search_extended", now, data)
        asked = connection.execute(ASKED, ids).scalars()
        addresses = [messages.customer(order.customer_id), *map(messages.driver, asked)]
        news, key = {"orderId": order_id} | until, f"extended:{order_id}:{until['expiresAt']}"
        notices = [Message(address, "search_extended", news, key=key) for address in addresses]
        return outbox.add(connection, order_id, notices)
