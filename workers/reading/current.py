"""Reads orders, and what a socket starts with."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db
from models.errors import OrderNotFound
from models.keyset import LARGEST_ID, keyset
from models.messages import Message
from models.tables.orders import DRIVER_OF_TRUCK, PRESENT_STATES, RUNNING
from workers import views
from workers.drivers.trips import TRIPS
from workers.offers import offering

ORDER = text("SELECT * FROM orders WHERE id = :order_id")
UNPLACED = text("""
    SELECT order_id, customer_id, state, rejection, created_at FROM admissions
    WHERE order_id = :order_id AND state NOT IN ('placed', 'refused')
""")
TRUCKS = text(f"""
    SELECT t.*, {DRIVER_OF_TRUCK} FROM truck_requests t
    LEFT JOIN drivers d ON d.id = t.driver_id
    WHERE t.order_id = :order_id ORDER BY t.request_number
""")


def _newest(status: str) -> str:
    page = keyset({"customer_id": ":customer_id", "status": f"'{status}'"}, "id", f"'{LARGEST_ID}'")
    return f"(SELECT id, false AS searching FROM orders WHERE {page} LIMIT 1)"


# The one that is searching first, else the newest that is not over: one look for each status, however many
# orders the customer has.
CURRENT = text(f"""
    SELECT id FROM (
        SELECT id, searching FROM orders WHERE customer_id = :customer_id AND searching
        UNION ALL {" UNION ALL ".join(map(_newest, PRESENT_STATES))}
    ) AS newest ORDER BY searching DESC, id DESC LIMIT 1
""")
QUEUED = text("SELECT order_id FROM admissions WHERE customer_id = :customer_id AND state = 'queued'")
RUNNING_TRIP = text(f"{TRIPS} t.driver_id = :driver_id AND t.status IN {RUNNING}")
OPEN_OFFERS = text("""
    SELECT f.id, f.order_id, f.driver_id, f.truck_request_id, f.vehicle, f.fare, f.round, f.wave,
        f.pickup_distance_km
    FROM offers f JOIN orders o ON o.id = f.order_id
    WHERE f.driver_id = :driver_id AND f.state = 'open' AND o.searching AND o.expires_at > now()
    ORDER BY f.offered_at
""")


@dataclass(frozen=True)
class DriverOpening:
    """What a driver's socket starts with; ``open_messages`` are the open offers, for the mailbox."""

    data: dict[str, Any]
    open_messages: list[Message]


def order(order_id: str) -> dict[str, Any]:
    """``{order, truckRequests}``. Raises ``OrderNotFound``."""
    with db.reads() as connection:
        return _order(connection, order_id)


def _order(connection: Connection, order_id: str) -> dict[str, Any]:
    # Twice: an admission may be placed between the look for the order and the look for itself.
    for _ in range(2):
        found = connection.execute(ORDER, {"order_id": order_id}).one_or_none()
        if found is not None:
            trucks = connection.execute(TRUCKS, {"order_id": order_id})
            return {
                "order": views.order_view(found),
                "truckRequests": [views.assigned_view(truck) for truck in trucks],
            }
        waiting = connection.execute(UNPLACED, {"order_id": order_id}).one_or_none()
        if waiting is not None:
            return {"order": views.unplaced_view(waiting), "truckRequests": []}
    raise OrderNotFound


def current_order(customer_id: str) -> dict[str, Any] | None:
    """The customer's order that is not over, as ``{order, truckRequests}``."""
    with db.reads() as connection:
        order_id = connection.execute(CURRENT, {"customer_id": customer_id}).scalar_one_or_none()
        order_id = order_id or connection.execute(QUEUED, {"customer_id": customer_id}).scalar_one_or_none()
        return _order(connection, str(order_id)) if order_id else None


def driver_opening(driver_id: str) -> DriverOpening:
    """What a driver's socket starts with: the open offers they can still take, and their trip."""
    with db.reads() as connection:
        running = connection.execute(RUNNING_TRIP, {"driver_id": driver_id}).one_or_none()
        current = views.trip_view(running, running) if running else None
        offers = [] if running else _open_broadcasts(connection, driver_id)
    data = {
        "driverId": driver_id,
        "openBroadcasts": [message.data for message in offers],
        "currentTrip": current,
    }
    return DriverOpening(data, offers)


def _open_broadcasts(connection: Connection, driver_id: str) -> list[Message]:
    offers = connection.execute(OPEN_OFFERS, {"driver_id": driver_id}).all()
    ids = {"ids": [str(offer.order_id) for offer in offers]}
    orders = {row.id: row for row in connection.execute(offering.SEARCHES, ids)}
    missing: dict[Any, list[Row[Any]]] = {}
    for truck in connection.execute(offering.MISSING, ids):
        missing.setdefault(truck.order_id, []).append(truck)
    broadcasts = []
    for offer in offers:
        order, trucks = orders.get(offer.order_id), missing.get(offer.order_id, [])
        if order is not None and any(truck.vehicle == offer.vehicle for truck in trucks):
            broadcasts.append(
                offering.new_broadcast(offering.details_of(order, trucks), offering.offered(offer))
            )
    return broadcasts
