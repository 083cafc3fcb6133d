"""Withdraws open offers from a driver who goes off duty or changes the vehicle."""

from datetime import datetime

from sqlalchemy import text

from models import db, outbox
from workers import events
from workers.offers.closing import Closed, offer_ended

OPEN = text("""
    SELECT f.id FROM offers f JOIN drivers d ON d.id = f.driver_id
    WHERE f.driver_id = :driver_id AND f.state = 'open' AND (NOT d.available OR d.vehicle <> f.vehicle)
    ORDER BY f.id
""")
WITHDRAW = text("""
    UPDATE offers SET state = 'withdrawn', closed_at = coalesce(:now, now())
    WHERE id = :id AND state = 'open' RETURNING order_id, driver_id
""")


def due(driver_id: str) -> list[str]:
    """The open offers that this driver can take no more."""
    with db.statements() as connection:
        return [str(row.id) for row in connection.execute(OPEN, {"driver_id": driver_id})]


def withdraw(offer_id: str, now: datetime | None = None) -> outbox.Followup | None:
    """Closes one offer; ``None`` if it was closed already. One a transaction: locks on the offers of two
    orders could deadlock.
    """
    with db.transaction() as connection:
        offer = connection.execute(WITHDRAW, {"id": offer_id, "now": now}).one_or_none()
        if offer is None:
            return None
        order_id = str(offer.order_id)
        events.record(connection, order_id, "offer_withdrawn", now, {"driverId": offer.driver_id})
        notices = offer_ended(
            [Closed(offer_id, offer.driver_id)],
            "request_no_longer_available",
            order_id,
            {"reason": "unavailable"},
        )
        return outbox.add(connection, order_id, notices)
