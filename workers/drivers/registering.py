"""Drivers' details, and whether they want work."""

from typing import Any

from sqlalchemy import Row, text

from models import db
from models.errors import DriverBusy, DriverNotRegistered
from models.live import driver_index
from models.messages import iso
from models.tables.orders import RUNNING

# Waits for an accept of this driver that is under way, and makes later ones wait.
LOCK = text("SELECT vehicle, vehicle_number FROM drivers WHERE id = :id FOR UPDATE")
REGISTER = text("""
    INSERT INTO drivers (id, name, phone, vehicle_type, vehicle_subtype, vehicle, vehicle_number)
    VALUES (:id, :name, :phone, :vehicle_type, :vehicle_subtype, :vehicle, :vehicle_number)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, phone = excluded.phone, vehicle = excluded.vehicle,
        vehicle_type = excluded.vehicle_type, vehicle_subtype = excluded.vehicle_subtype,
        vehicle_number = excluded.vehicle_number, updated_at = now()
    RETURNING *
""")
SET_AVAILABLE = text("""
    UPDATE drivers SET available = :available, updated_at = now() WHERE id = :id RETURNING *
""")
READ = text("SELECT * FROM drivers WHERE id = :id")
ON_A_TRIP = "You have a running trip. Finish it before you change the vehicle."
BUSY = text(f"SELECT 1 FROM truck_requests WHERE driver_id = :id AND status IN {RUNNING}")


def register(
    driver_id: str, name: str, phone: str, vehicle_type: str, vehicle_subtype: str, vehicle_number: str
) -> dict[str, Any]:
    """Registers a driver or changes their details.

    Raises ``DriverBusy`` if they have a running trip and this would change the vehicle under its load.
    """
    row = {
        "id": driver_id,
        "name": name,
        "phone": phone,
        "vehicle_type": vehicle_type,
        "vehicle_subtype": vehicle_subtype,
        "vehicle": driver_index.vehicle_key(vehicle_type, vehicle_subtype),
        "vehicle_number": vehicle_number,
    }
    with db.transaction() as connection:
        known = connection.execute(LOCK, row).one_or_none()
        stays = known is None or (known.vehicle, known.vehicle_number) == (row["vehicle"], vehicle_number)
        if not stays and connection.execute(BUSY, row).first():
            raise DriverBusy(ON_A_TRIP)
        return _view(connection.execute(REGISTER, row).one())


def set_available(driver_id: str, available: bool) -> dict[str, Any]:
    """Opens or closes the driver for offers. Raises ``DriverNotRegistered``."""
    with db.statements() as connection:
        row = connection.execute(SET_AVAILABLE, {"id": driver_id, "available": available}).one_or_none()
    if row is None:
        raise DriverNotRegistered
    return _view(row)


def read(driver_id: str) -> dict[str, Any]:
    """The driver's own view. Raises ``DriverNotRegistered``."""
    with db.reads() as connection:
        row = connection.execute(READ, {"id": driver_id}).one_or_none()
    if row is None:
        raise DriverNotRegistered
    return _view(row)


def _view(row: Row[Any]) -> dict[str, Any]:
    position = None
    if row.last_position_at:
        position = {
            "latitude": row.last_latitude,
            "longitude": row.last_longitude,
            "at": iso(row.last_position_at),
        }
    return {
        "id": row.id,
        "name": row.name,
        "phone": row.phone,
        "vehicleType": row.vehicle_type,
        "vehicleSubtype": row.vehicle_subtype,
        "vehicleNumber": row.vehicle_number,
        "available": row.available,
        "lastPosition": position,
    }
