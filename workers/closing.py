"""Ends the search of an order: what expiry, cancelling and the last accept have in common."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from models import messages
from models.messages import Message
from workers.offering import closing_key

CLOSE_OFFERS = text("""
    UPDATE offers SET state = :state, closed_at = coalesce(:now, now())
    WHERE order_id = :order_id AND state = 'open' AND (CAST(:vehicle AS text) IS NULL OR vehicle = :vehicle)
    RETURNING driver_id
""")


def close_offers(
    connection: Connection, order_id: str, state: str, now: datetime | None, vehicle: str | None = None
) -> list[str]:
    """Closes the open offers of an order, or those for one vehicle; the drivers who had them."""
    rows = connection.execute(
        CLOSE_OFFERS, {"order_id": order_id, "state": state, "now": now, "vehicle": vehicle}
    )
    return sorted(row.driver_id for row in rows)


def told_of_end(
    drivers: list[str], kind: str, order_id: str, search_round: int, data: dict[str, Any]
) -> list[Message]:
    """The message to each driver that the offer of this order is over."""
    key = closing_key(order_id, search_round)
    return [Message(messages.driver(one), kind, {"orderId": order_id} | data, key=key) for one in drivers]
