"""Orders, trucks and trips as the people concerned see them, built from rows."""

from typing import Any, TypeAlias

from sqlalchemy import Row

from models import money
from models.messages import iso

# A row, or what is about to be one: its fields are the columns.
Columns: TypeAlias = Any


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


def assigned_view(truck: Row[Any]) -> dict[str, Any]:
    """One truck request with the driver that its row is joined to."""
    if truck.driver_id is None:
        return truck_view(truck, None)
    driver = {
        "id": truck.driver_id,
        "name": truck.name,
        "phone": truck.phone,
        "vehicleNumber": truck.vehicle_number,
    }
    return truck_view(truck, driver)


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
