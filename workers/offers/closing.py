"""Closes open offers: what expiry, cancelling and the last accept have in common."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from models import messages
from models.messages import Message
from workers.offers.offering import closing_key

CLOSE_OFFERS = text("""
    UPDATE offers SET state = :state, closed_at = coalesce(:now, now())
    WHERE order_id = :order_id AND state = 'open'
        AND (CAST(:vehicle AS text) IS NULL OR vehicle = :vehicle AND fare = :fare)
    RETURNING id, driver_id
""")


class Closed(NamedTuple):
    """An offer that was open until now, and its driver."""

    offer_id: str
    driver_id: str


def close_offers(
    connection: Connection, order_id: str, state: str, now: datetime | None, truck: Row[Any] | None = None
) -> list[Closed]:
    """Closes the open offers of an order, or those for trucks of the kind and price of one; by driver."""
    values = {
        "order_id": order_id,
        "state": state,
        "now": now,
        "vehicle": truck.vehicle if truck else None,
        "fare": truck.price_per_truck if truck else None,
    }
    rows = connection.execute(CLOSE_OFFERS, values)
    return sorted((Closed(str(row.id), row.driver_id) for row in rows), key=lambda offer: offer.driver_id)


def offer_ended(closed: Iterable[Closed], kind: str, order_id: str, data: dict[str, Any]) -> list[Message]:
    """The message to each driver that their offer is over."""
    return [
        Message(
            messages.driver(offer.driver_id),
            kind,
            {"orderId": order_id} | data,
            key=closing_key(offer.offer_id),
        )
        for offer in closed
    ]
