"""Gives a truck to the first driver who accepts it, and an answer to everybody else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import IntegrityError

from models import db, messages, outbox
from models.errors import (
    DomainError,
    DriverBusy,
    InvalidTransition,
    NotOffered,
    OrderCancelled,
    OrderExpired,
    TruckTaken,
)
from models.messages import Message
from models.orders import RUNNING, status_of
from workers import announcing, events, reading

OFFER = text("""
    SELECT id, order_id, truck_request_id, vehicle, fare, round, state FROM offers
    WHERE order_id = :order_id AND driver_id = :driver_id ORDER BY round DESC LIMIT 1
""")

# Everybody who wants a truck of one order queues here, for a few milliseconds each.
LOCK = text("""
    SELECT *, expires_at > coalesce(:now, clock_timestamp()) AS in_time FROM orders
    WHERE id = :order_id FOR UPDATE
""")

BUSY = text(f"SELECT 1 FROM truck_requests WHERE driver_id = :driver_id AND status IN {RUNNING}")

# The truck that was named if it is still free, else any of the same kind that pays no less.
CLAIM = text("""
    UPDATE truck_requests SET status = 'assigned', driver_id = :driver_id,
        assigned_at = coalesce(:now, now()), updated_at = coalesce(:now, now())
    WHERE id = (
        SELECT id FROM truck_requests
        WHERE order_id = :order_id AND status = 'searching' AND vehicle = :vehicle
            AND price_per_truck >= :fare
        ORDER BY (id = :wanted) DESC, request_number LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING *
""")

WIN = text("""
    UPDATE offers SET state = 'accepted', closed_at = coalesce(:now, now()),
        truck_request_id = :truck_request_id
    WHERE id = :id AND state = 'open'
""")

DECLINE = text("""
    UPDATE offers SET state = 'declined', closed_at = coalesce(:now, now()) WHERE id = :id AND state = 'open'
""")

COUNTS = text(f"""
    SELECT count(*) FILTER (WHERE status = 'searching') AS missing,
        count(*) FILTER (WHERE status = 'searching' AND vehicle = :vehicle) AS missing_of_kind,
        count(*) FILTER (WHERE status IN {RUNNING} OR status = 'completed') AS filled,
        count(*) FILTER (WHERE status IN {RUNNING} AND status <> 'assigned') AS under_way,
        count(*) FILTER (WHERE status = 'completed') AS completed
    FROM truck_requests WHERE order_id = :order_id
""")

FILL = text("""
    UPDATE orders SET trucks_filled = :filled, status = :status, searching = :searching,
        next_wave_at = CASE WHEN :searching THEN next_wave_at END, updated_at = coalesce(:now, now())
    WHERE id = :order_id
""")

# What an offer that is no longer open answers to an accept.
CLOSED: dict[str, type[DomainError]] = {
    "taken": TruckTaken,
    "expired": OrderExpired,
    "cancelled": OrderCancelled,
    "declined": InvalidTransition,
    "given_back": NotOffered,
}


@dataclass(frozen=True)
class Accepted:
    """The trip that was won (the driver's view of it); no follow-up if it had been won before."""

    trip: dict[str, Any]
    followup: outbox.Followup | None = None


def accept(
    driver_id: str, order_id: str, truck_request_id: str | None = None, now: datetime | None = None
) -> Accepted:
    """Assigns one truck of the order to this driver.

    ``truck_request_id`` is a wish: another open truck of the same kind and price serves as well.
    Raises ``NotOffered``, ``TruckTaken``, ``OrderExpired``, ``OrderCancelled``, ``DriverBusy``.
    """
    try:
        with db.transaction() as connection:
            offer = _offer(connection, order_id, driver_id)
            if offer.state == "accepted":
                return Accepted(reading.trip(connection, str(offer.truck_request_id)))
            _must_be_open(offer)
            return _accept(connection, offer, driver_id, truck_request_id, now)
    except IntegrityError as error:
        # one_running_trip_per_driver: he won another truck in this very moment.
        raise DriverBusy from error


def decline(driver_id: str, order_id: str, now: datetime | None = None) -> None:
    """Closes the driver's offer for good; declining twice is the same as once."""
    with db.transaction() as connection:
        offer = _offer(connection, order_id, driver_id)
        if offer.state == "declined":
            return
        if not connection.execute(DECLINE, {"id": offer.id, "now": now}).rowcount:
            raise TruckTaken if offer.state in ("open", "accepted") else CLOSED[offer.state]
        events.record(connection, order_id, "offer_declined", now, {"driverId": driver_id})


def _offer(connection: Connection, order_id: str, driver_id: str) -> Row[Any]:
    offer = connection.execute(OFFER, {"order_id": order_id, "driver_id": driver_id}).one_or_none()
    if offer is None:
        raise NotOffered
    return offer


def _must_be_open(offer: Row[Any]) -> None:
    if offer.state != "open":
        raise CLOSED[offer.state]


def _accept(
    connection: Connection, offer: Row[Any], driver_id: str, wanted: str | None, now: datetime | None
) -> Accepted:
    order = connection.execute(LOCK, {"order_id": offer.order_id, "now": now}).one()
    # Read again: whoever held the order before us may have closed this offer.
    offer = _offer(connection, str(offer.order_id), driver_id)
    if offer.state == "accepted":
        return Accepted(reading.trip(connection, str(offer.truck_request_id)))
    _must_be_open(offer)
    if not order.searching or not order.in_time:
        raise OrderExpired
    if connection.execute(BUSY, {"driver_id": driver_id}).first():
        raise DriverBusy
    truck = _claim(connection, offer, driver_id, wanted, now)
    return _fill(connection, order, offer, truck, now)


def _claim(
    connection: Connection, offer: Row[Any], driver_id: str, wanted: str | None, now: datetime | None
) -> Row[Any]:
    truck = connection.execute(
        CLAIM,
        {
            "order_id": offer.order_id,
            "driver_id": driver_id,
            "vehicle": offer.vehicle,
            "fare": offer.fare,
            "wanted": wanted or str(offer.truck_request_id),
            "now": now,
        },
    ).one_or_none()
    if truck is None:
        raise TruckTaken
    won = {"id": offer.id, "truck_request_id": truck.id, "now": now}
    if not connection.execute(WIN, won).rowcount:
        raise InvalidTransition("You declined this offer in the same moment.")
    return truck


def _fill(
    connection: Connection, order: Row[Any], offer: Row[Any], truck: Row[Any], now: datetime | None
) -> Accepted:
    order_id, driver_id = str(order.id), truck.driver_id
    counts = connection.execute(COUNTS, {"order_id": order_id, "vehicle": offer.vehicle}).one()
    searching = counts.missing > 0
    status = status_of(order.total_trucks, counts.filled, counts.under_way, counts.completed, searching)
    connection.execute(
        FILL,
        {"order_id": order_id, "filled": counts.filled, "status": status, "searching": searching, "now": now},
    )
    events.record(
        connection, order_id, "truck_assigned", now, {"driverId": driver_id, "truckRequestId": str(truck.id)}
    )
    trip = reading.trip(connection, str(truck.id))
    told = [
        Message(messages.driver(driver_id), "trip_assigned", trip, key=f"assigned:{offer.id}"),
        *announcing.to_customer(connection, order, truck, counts),
        *announcing.to_the_others(connection, order, truck, counts.missing_of_kind, now),
    ]
    return Accepted(trip, outbox.add(connection, order_id, told, changed_drivers=[driver_id]))
