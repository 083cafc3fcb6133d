"""Gives a running trip to another driver."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from uuid_utils import uuid7

from models import messages, outbox
from models.errors import DriverBusy, DriverNotRegistered, InvalidTransition
from models.messages import Message
from models.tables.orders import LOADED, RUNNING
from workers import views
from workers.drivers import trips
from workers.offers import announcing
from workers.offers.closing import Closed, offer_ended
from workers.operating.held import Held, TripAct, held

# The driver cannot change the vehicle before the commit, as when they accept.
NEXT_DRIVER = text("""
    SELECT id, name, phone, vehicle, vehicle_number FROM drivers WHERE id = :next_id FOR KEY SHARE
""")
BUSY = text(f"SELECT 1 FROM truck_requests WHERE driver_id = :next_id AND status IN {RUNNING}")
HAND_OVER = text("""
    UPDATE truck_requests SET driver_id = :next_id, status = :status, driver_name = :name,
        driver_phone = :phone, driver_vehicle_number = :vehicle_number,
        assigned_at = coalesce(:now, now()), updated_at = coalesce(:now, now())
    WHERE id = :id AND (driver_id = :driver_id AND status = :present) IS TRUE
    RETURNING *, (SELECT trucks_filled FROM orders WHERE orders.id = order_id) AS filled
""")
CLOSE_OFFER = text("""
    UPDATE offers SET state = 'withdrawn', closed_at = coalesce(:now, now())
    WHERE order_id = :order_id AND (driver_id = :next_id AND state = 'open') IS TRUE RETURNING id, driver_id
""")
# As if they had been asked and had accepted.
ACCEPTED_OFFER = text("""
    INSERT INTO offers (id, order_id, driver_id, truck_request_id, vehicle, fare, round, wave,
        pickup_distance_km, state, offered_at, closed_at)
    SELECT :offer_id, t.order_id, t.driver_id, t.id, t.vehicle, t.price_per_truck, o.round, o.wave, 0,
        'accepted', coalesce(:now, now()), coalesce(:now, now())
    FROM truck_requests t JOIN orders o ON o.id = t.order_id WHERE t.id = :id
    ON CONFLICT (order_id, driver_id, round, vehicle, fare) DO UPDATE
        SET state = 'accepted', truck_request_id = excluded.truck_request_id, closed_at = excluded.closed_at
""")


def hand_over(act: TripAct, next_id: str, now: datetime | None = None) -> outbox.Followup | None:
    """Gives the trip to another driver of this vehicle; ``None`` if it is theirs already. A loaded one stays
    where it is in its course, another begins again.

    Raises ``DriverNotRegistered`` and ``DriverBusy`` too.
    """
    try:
        with held(act, None, now) as trip:
            if trip is None or trip.truck.driver_id == next_id:
                return None
            return _hand_over(trip, next_id)
    except IntegrityError as error:
        # one_running_trip_per_driver: they accepted another truck at the same moment.
        raise DriverBusy("This driver has a running trip.") from error


def _hand_over(trip: Held, next_id: str) -> outbox.Followup:
    connection, truck, order_id = trip.connection, trip.truck, str(trip.order.id)
    driver = connection.execute(NEXT_DRIVER, {"next_id": next_id}).one_or_none()
    if driver is None:
        raise DriverNotRegistered("There is no such driver.")
    if driver.vehicle != truck.vehicle:
        raise InvalidTransition("This driver has another vehicle.", data={"status": truck.status})
    if connection.execute(BUSY, {"next_id": next_id}).first():
        raise DriverBusy("This driver has a running trip.")
    ids = {"id": truck.id, "driver_id": truck.driver_id, "order_id": order_id, "next_id": next_id}
    values = ids | {"now": trip.now}
    connection.execute(trips.GIVE_BACK_OFFER, values)
    closed = [Closed(str(row.id), row.driver_id) for row in connection.execute(CLOSE_OFFER, values)]
    status = truck.status if truck.status in LOADED else "assigned"
    who = {"name": driver.name, "phone": driver.phone, "vehicle_number": driver.vehicle_number}
    now_theirs = connection.execute(
        HAND_OVER, values | who | {"status": status, "present": truck.status}
    ).one_or_none()
    if now_theirs is None:
        raise InvalidTransition("The trip has changed in the same moment.")
    connection.execute(ACCEPTED_OFFER, values | {"offer_id": str(uuid7())})
    trips.settle(connection, order_id, trip.now)
    trip.record("truck_handed_over", driverId=next_id, fromDriverId=truck.driver_id, status=status)
    key = f"handed_over:{truck.id}:{next_id}:{now_theirs.assigned_at.timestamp()}"
    shown = views.trip_view(now_theirs, trip.order)
    notices = [
        trip.to_driver(),
        *offer_ended(closed, "request_no_longer_available", order_id, {"reason": "unavailable"}),
        Message(messages.driver(next_id), "trip_assigned", shown, key=key),
        replace(announcing.to_customer(trip.order, now_theirs, driver), key=key),
        replace(trips.status_changed(trip.order, str(truck.id), next_id, status), key=f"{key}:status"),
    ]
    return trip.follow(notices, [next_id])
