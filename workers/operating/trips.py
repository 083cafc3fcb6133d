"""Ends a trip for a driver who cannot, or searches again: loaded ones too, since phones die on the way."""

from datetime import datetime

from sqlalchemy import text

from models import messages, outbox
from models.messages import Message
from models.tables.orders import RUNNING
from workers import events
from workers.drivers import trips
from workers.operating.held import TripAct, held
from workers.orders.cancelling import CANCEL_ORDER

TAKE_OFF = text(f"""
    UPDATE truck_requests SET status = 'searching', driver_id = NULL, assigned_at = NULL,
        driver_name = NULL, driver_phone = NULL, driver_vehicle_number = NULL,
        updated_at = coalesce(:now, now())
    WHERE id = :id AND (driver_id = :driver_id AND status IN {RUNNING}) IS TRUE
""")


def complete(act: TripAct, now: datetime | None = None) -> outbox.Followup | None:
    """The trip counts as driven to its end; ``None`` if it is completed.

    This and the others raise ``TripNotFound`` and ``InvalidTransition``.
    """
    with held(act, "completed", now) as trip:
        if trip is None:
            return None
        trip.move("completed")
        trips.settle(trip.connection, str(trip.order.id), now)
        trip.record("trip_status_changed", status="completed")
        return trip.follow([trip.to_customer("completed"), trip.completed_for_driver()])


def close(act: TripAct, now: datetime | None = None) -> outbox.Followup | None:
    """Ends the trip without delivery, and its order if no other truck is left; ``None`` if it was closed."""
    with held(act, "cancelled", now) as trip:
        if trip is None:
            return None
        trip.move("cancelled")
        trip.record("trip_closed", status="cancelled")
        notices = [trip.to_customer("cancelled"), trip.to_driver()]
        order_id = str(trip.order.id)
        counts = trip.connection.execute(trips.COUNTED, {"order_id": order_id}).one()
        if counts.filled or trip.order.searching:
            trips.settle(trip.connection, order_id, now)
            return trip.follow(notices)
        values = {"order_id": order_id, "reason": act.reason, "now": now}
        trip.connection.execute(CANCEL_ORDER, values)
        data = {"reason": act.reason, "operator": act.operator, "drivers": [], "assignedDrivers": []}
        events.record(trip.connection, order_id, "order_cancelled", now, data)
        news = {"orderId": order_id, "reason": act.reason}
        customer = messages.customer(trip.order.customer_id)
        notices.append(Message(customer, "order_cancelled", news, key=f"cancelled:{order_id}"))
        return trip.follow(notices)


def take_off(act: TripAct, now: datetime | None = None) -> outbox.Followup | None:
    """Takes the truck from its driver and searches again for a fresh 60 s, without them; ``None`` if it is
    searched for already.
    """
    with held(act, "searching", now) as trip:
        if trip is None:
            return None
        ids = {"id": trip.truck.id, "driver_id": trip.truck.driver_id, "order_id": trip.order.id, "now": now}
        trip.changed(trip.connection.execute(TAKE_OFF, ids).rowcount)
        trip.connection.execute(trips.GIVE_BACK_OFFER, ids)
        trips.search_again(trip.connection, trip.order, now)
        trip.record("truck_taken_off")
        notices = [trip.to_customer("searching"), trip.to_driver()]
        return trip.follow(notices, recounted=trip.truck.vehicle)
