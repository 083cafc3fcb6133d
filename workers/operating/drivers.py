"""Puts a driver off duty for an operator; they can go on duty again by themselves."""

from datetime import datetime

import orjson
from sqlalchemy import text
from uuid_utils import uuid7

from models import db, messages, outbox
from models.errors import DriverNotRegistered
from models.messages import Message
from models.tables.orders import RUNNING
from workers import events
from workers.drivers.registering import SET_AVAILABLE

# Waits for an accept of this driver that is under way.
LOCK = text("SELECT available FROM drivers WHERE id = :id FOR UPDATE")
RECORD = text("""
    INSERT INTO driver_events (driver_id, at, type, data)
    VALUES (:id, coalesce(:now, now()), 'put_off_duty', :data) RETURNING id
""")
ORDER_OF_TRIP = text(f"SELECT order_id FROM truck_requests WHERE driver_id = :id AND status IN {RUNNING}")


def put_off_duty(
    driver_id: str, operator: str, reason: str, now: datetime | None = None
) -> outbox.Followup | None:
    """Closes the driver for offers; ``None`` if they are off duty. A running trip goes on, and its order's
    audit has it too. Raises ``DriverNotRegistered``.
    """
    driver = {"id": driver_id, "now": now}
    with db.transaction() as connection:
        available = connection.execute(LOCK, driver).scalar_one_or_none()
        if available is None:
            raise DriverNotRegistered("There is no such driver.")
        if not available:
            return None
        connection.execute(SET_AVAILABLE, driver | {"available": False})
        why = {"operator": operator, "reason": reason}
        event_id = connection.execute(RECORD, driver | {"data": orjson.dumps(why).decode()}).scalar_one()
        order_id = connection.execute(ORDER_OF_TRIP, driver).scalar_one_or_none()
        if order_id is not None:
            # Not as its `reason`, which customers are shown: this is about the driver and not their order.
            data = {"driverId": driver_id, "operator": operator, "why": reason}
            events.record(connection, str(order_id), "driver_put_off_duty", now, data)
        news = {"available": False, "reason": reason}
        notice = Message(messages.driver(driver_id), "availability_changed", news, key=f"off_duty:{event_id}")
        # Rows of the outbox wait for those of the same order: this one is of none.
        return outbox.add(connection, str(order_id or uuid7()), [notice], changed_drivers=[driver_id])
