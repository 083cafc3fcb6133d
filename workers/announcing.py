"""Who is told of a truck's new driver, and what.

``truck`` is the row that was claimed, with the counts of its order as they are now.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from models import messages, money
from models.messages import Message
from workers import reading
from workers.closing import close_offers, told_of_end

STILL_ASKED = text(
    "SELECT driver_id FROM offers "
    "WHERE order_id = :order_id AND state = 'open' AND vehicle = :vehicle ORDER BY driver_id"
)


def _remaining(order: Row[Any], truck: Row[Any]) -> dict[str, Any]:
    return {
        "orderId": str(order.id),
        "vehicleType": truck.vehicle_type,
        "vehicleSubtype": truck.vehicle_subtype,
        "trucksStillNeeded": truck.missing_of_kind,
    }


def to_customer(order: Row[Any], truck: Row[Any], driver: Row[Any]) -> list[Message]:
    """To the customer: the driver, and how many trucks are still missing."""
    to = messages.customer(order.customer_id)
    confirmed = {
        "orderId": str(order.id),
        "truckRequestId": str(truck.id),
        "driver": reading.driver_view(driver),
        "farePerTruck": money.number(truck.price_per_truck),
        "trucksFilled": truck.filled,
        "totalTrucks": order.total_trucks,
    }
    fact = f"{truck.id}:{truck.driver_id}"
    return [
        Message(to, "truck_confirmed", confirmed, key=f"confirmed:{fact}"),
        Message(
            to,
            "trucks_remaining_update",
            _remaining(order, truck),
            key=f"remaining:{fact}",
        ),
    ]


def to_the_others(
    connection: Connection, order: Row[Any], truck: Row[Any], now: datetime | None
) -> list[Message]:
    """To those who were asked for the same kind of truck: one less, or at their price none left."""
    order_id = str(order.id)
    if not truck.missing_at_price:
        losers = close_offers(connection, order_id, "taken", now, truck)
        return told_of_end(losers, "request_no_longer_available", order_id, {"reason": "taken"})
    asked = connection.execute(STILL_ASKED, {"order_id": order_id, "vehicle": truck.vehicle}).scalars()
    data = _remaining(order, truck)
    return [
        Message(
            messages.driver(one),
            "trucks_remaining_update",
            data,
            key=f"remaining:{truck.id}:{truck.driver_id}",
        )
        for one in asked
    ]
