"""Orders, trips and offers as the people concerned see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db, money
from models.errors import OrderNotFound
from models.keyset import LARGEST_ID, keyset
from models.messages import Message, iso
from models.orders import DRIVER_OF_TRUCK, PRESENT_STATES, RUNNING
from workers import offering
from workers.offering import Columns

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
_TRIPS = """
    SELECT t.id, t.order_id, t.status, t.vehicle_type, t.vehicle_subtype, t.price_per_truck, t.assigned_at,
        o.pickup, o.drop, o.route_points, o.distance_km
    FROM truck_requests t JOIN orders o ON o.id = t.order_id WHERE
"""
TRIP = text(f"{_TRIPS} t.id = :id AND (t.driver_id = :driver_id) IS TRUE")
RUNNING_TRIP = text(f"{_TRIPS} t.driver_id = :driver_id AND t.status IN {RUNNING}")
OPEN_OFFERS = text("""
    SELECT f.id, f.order_id, f.driver_id, f.truck_request_id, f.vehicle, f.fare, f.round, f.wave,
        f.pickup_distance_km
    FROM offers f JOIN orders o ON o.id = f.order_id
    WHERE f.driver_id = :driver_id AND f.state = 'open' AND o.searching AND o.expires_at > now()
    ORDER BY f.offered_at
""")


@dataclass(frozen=True)
class Opening:
    """What a driver's socket starts with; ``open_messages`` are the open offers, for the mailbox."""

    data: dict[str, Any]
    open_messages: list[Message]


def order_view(order: Columns) -> dict[str, Any]:
    """The order as its customer sees it."""
    return {
        "id": str(order.id),
        "customerId": order.customer_id,
        "pickup": order.pickup,
        "drop": order.drop,
        "routePoints": order.route_points,
        "distanceKm": order.distance_km,
        "totalTrucks": order.total_trucks,
        "trucksFilled": order.trucks_filled,
        "totalAmount": money.number(order.total_amount),
        "goodsType": order.goods_type,
        "cargoWeightKg": order.cargo_weight_kg,
        "status": order.status,
        "expiresAt": iso(order.expires_at),
        "createdAt": iso(order.created_at),
        "updatedAt": iso(order.updated_at),
    }


def truck_view(truck: Columns, driver: dict[str, Any] | None) -> dict[str, Any]:
    """One truck request; ``driver`` once it has one."""
    return {
        "id": str(truck.id),
        "orderId": str(truck.order_id),
        "requestNumber": truck.request_number,
        "vehicleType": truck.vehicle_type,
        "vehicleSubtype": truck.vehicle_subtype,
        "pricePerTruck": money.number(truck.price_per_truck),
        "status": truck.status,
        "driver": driver,
        "assignedAt": iso(truck.assigned_at) if truck.assigned_at else None,
    }


def driver_view(driver: Row[Any]) -> dict[str, Any]:
    """The driver as a customer sees them."""
    return {
        "id": driver.id,
        "name": driver.name,
        "phone": driver.phone,
        "vehicleNumber": driver.vehicle_number,
    }


def created_view(
    order: Columns, trucks: Sequence[Columns], offered: Sequence[offering.Offered]
) -> dict[str, Any]:
    """The data of the 201."""
    return {
        "order": order_view(order),
        "truckRequests": [truck_view(truck, None) for truck in trucks],
        "broadcastSummary": {
            "totalRequests": len(trucks),
            "totalDriversNotified": len(offered),
            "groupedBy": _groups(trucks, offered),
        },
        "timeoutSeconds": round((order.expires_at - order.created_at).total_seconds()),
    }


def _groups(trucks: Sequence[Columns], offered: Sequence[offering.Offered]) -> list[dict[str, Any]]:
    kinds = {truck.vehicle: truck for truck in trucks}
    return [
        {
            "vehicleType": kind.vehicle_type,
            "vehicleSubtype": kind.vehicle_subtype,
            "count": sum(truck.vehicle == vehicle for truck in trucks),
            "driversNotified": sum(one.vehicle == vehicle for one in offered),
        }
        for vehicle, kind in kinds.items()
    ]


def unplaced_view(admission: Row[Any]) -> dict[str, Any]:
    """An order that is not placed (yet): queued, rejected or cancelled before it was."""
    status = "rejected" if admission.state == "dead" else admission.state
    view = {
        "id": str(admission.order_id),
        "customerId": admission.customer_id,
        "status": status,
        "createdAt": iso(admission.created_at),
    }
    return view | ({"rejection": admission.rejection} if admission.rejection else {})


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
            return {"order": order_view(found), "truckRequests": [_assigned_view(truck) for truck in trucks]}
        waiting = connection.execute(UNPLACED, {"order_id": order_id}).one_or_none()
        if waiting is not None:
            return {"order": unplaced_view(waiting), "truckRequests": []}
    raise OrderNotFound


def _assigned_view(truck: Row[Any]) -> dict[str, Any]:
    if truck.driver_id is None:
        return truck_view(truck, None)
    driver = {
        "id": truck.driver_id,
        "name": truck.name,
        "phone": truck.phone,
        "vehicleNumber": truck.vehicle_number,
    }
    return truck_view(truck, driver)


def current_order(customer_id: str) -> dict[str, Any] | None:
    """The customer's order that is not over, as ``{order, truckRequests}``."""
    with db.reads() as connection:
        order_id = connection.execute(CURRENT, {"customer_id": customer_id}).scalar_one_or_none()
        order_id = order_id or connection.execute(QUEUED, {"customer_id": customer_id}).scalar_one_or_none()
        return _order(connection, str(order_id)) if order_id else None


def customer_opening(customer_id: str) -> dict[str, Any]:
    """What a customer's socket starts with."""
    return {"activeOrder": current_order(customer_id)}


def driver_opening(driver_id: str) -> Opening:
    """What a driver's socket starts with: the open offers he can still take, and his trip."""
    with db.reads() as connection:
        running = connection.execute(RUNNING_TRIP, {"driver_id": driver_id}).one_or_none()
        current = trip_view(running, running) if running else None
        told = [] if running else _open_broadcasts(connection, driver_id)
    data = {"driverId": driver_id, "openBroadcasts": [one.data for one in told], "currentTrip": current}
    return Opening(data, told)


def _open_broadcasts(connection: Connection, driver_id: str) -> list[Message]:
    offers = connection.execute(OPEN_OFFERS, {"driver_id": driver_id}).all()
    ids = {"ids": [str(offer.order_id) for offer in offers]}
    orders = {row.id: row for row in connection.execute(offering.SEARCHES, ids)}
    missing: dict[Any, list[Row[Any]]] = {}
    for truck in connection.execute(offering.MISSING, ids):
        missing.setdefault(truck.order_id, []).append(truck)
    told = []
    for offer in offers:
        order, trucks = orders.get(offer.order_id), missing.get(offer.order_id, [])
        if order is not None and any(truck.vehicle == offer.vehicle for truck in trucks):
            told.append(offering.new_broadcast(offering.search_of(order, trucks), offering.offered(offer)))
    return told


def trip(connection: Connection, truck_request_id: str, driver_id: str) -> dict[str, Any] | None:
    """A trip as its driver sees it; ``None`` if it is not his, or no longer."""
    values = {"id": truck_request_id, "driver_id": driver_id}
    row = connection.execute(TRIP, values).one_or_none()
    return trip_view(row, row) if row else None


def trip_view(truck: Row[Any], order: Row[Any]) -> dict[str, Any]:
    """The same from rows that are at hand."""
    return {
        "orderId": str(truck.order_id),
        "truckRequestId": str(truck.id),
        "status": truck.status,
        "pickup": order.pickup,
        "drop": order.drop,
        "routePoints": order.route_points,
        "distanceKm": order.distance_km,
        "vehicleType": truck.vehicle_type,
        "vehicleSubtype": truck.vehicle_subtype,
        "farePerTruck": money.number(truck.price_per_truck),
        "assignedAt": iso(truck.assigned_at),
    }
