"""The messages after a driver has been assigned to a truck.

``truck`` is the row that was claimed, with the present counts of its order.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db, messages, money
from models.messages import Message
from workers import views
from workers.offers.closing import close_offers, offer_ended

# No row once the search has ended with some of these trucks missing.
REMAINING = text("""
    SELECT o.customer_id, t.*, ARRAY(
        SELECT DISTINCT driver_id FROM offers WHERE order_id = o.id AND state = 'open' AND vehicle = :vehicle
    ) AS asked
    FROM orders o CROSS JOIN LATERAL (
        SELECT min(vehicle_type) AS vehicle_type, min(vehicle_subtype) AS vehicle_subtype,
            count(*) FILTER (WHERE status = 'searching') AS missing,
            bool_or(status IN ('expired', 'cancelled')) AS given_up
        FROM truck_requests WHERE order_id = o.id AND vehicle = :vehicle
    ) t
    WHERE o.id = :order_id AND NOT t.given_up
""")


def to_customer(order: Row[Any], truck: Row[Any], driver: Row[Any]) -> Message:
    """To the customer: the driver."""
    to = messages.customer(order.customer_id)
    confirmed = {
        "orderId": str(order.id),
        "truckRequestId": str(truck.id),
        "driver": views.driver_view(driver),
        "farePerTruck": money.number(truck.price_per_truck),
        "trucksFilled": truck.filled,
        "totalTrucks": order.total_trucks,
    }
    return Message(to, "truck_confirmed", confirmed, key=f"confirmed:{truck.id}:{truck.driver_id}")


def to_losers(
    connection: Connection, order: Row[Any], truck: Row[Any], now: datetime | None
) -> list[Message]:
    """To the drivers asked for such a truck at its price, if it was the last one."""
    if truck.missing_at_price:
        return []
    order_id = str(order.id)
    losers = close_offers(connection, order_id, "taken", now, truck)
    return offer_ended(losers, "request_no_longer_available", order_id, {"reason": "taken"})


def remaining(order_id: str, vehicle: str) -> list[Message]:
    """How many trucks of one kind an order still misses, to its customer and to those with an open offer."""
    with db.statements() as connection:
        found = connection.execute(REMAINING, {"order_id": order_id, "vehicle": vehicle}).one_or_none()
    if found is None:
        return []
    data = {
        "orderId": order_id,
        "vehicleType": found.vehicle_type,
        "vehicleSubtype": found.vehicle_subtype,
        "trucksStillNeeded": found.missing,
    }
    addresses = [messages.customer(found.customer_id), *map(messages.driver, found.asked)]
    return [Message(address, "trucks_remaining_update", data) for address in addresses]
