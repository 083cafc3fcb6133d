"""Assigns a truck to the first driver who accepts it, and answers the others."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
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
from models.tables.orders import COUNTS, RUNNING, status_of
from workers import events, order_turns, views
from workers.drivers import trips
from workers.offers import announcing
from workers.offers.offering import closing_key

# Of several offers of one order: the open one, else the accepted one, else the newest.
OFFER = text("""
    SELECT f.id, f.order_id, f.driver_id, f.truck_request_id, f.vehicle, f.fare, f.round, f.state,
        o.status AS order_status
    FROM offers f JOIN orders o ON o.id = f.order_id
    WHERE f.order_id = :order_id AND f.driver_id = :driver_id
    ORDER BY f.state = 'open' DESC, f.state = 'accepted' DESC, f.round DESC, f.offered_at DESC LIMIT 1
""")

# At most two of a process wait here (`order_turns`), for a few milliseconds each.
LOCK = text("""
    SELECT *, expires_at > coalesce(:now, clock_timestamp()) AS in_time FROM orders
    WHERE id = :order_id FOR UPDATE
""")

DRIVER = text("SELECT id, name, phone, vehicle_number FROM drivers WHERE id = :driver_id")
SUITABLE = text("SELECT 1 FROM drivers WHERE id = :driver_id AND available AND vehicle = :vehicle")
BUSY = text(f"SELECT 1 FROM truck_requests WHERE driver_id = :driver_id AND status IN {RUNNING}")

# The wanted truck if it is still free, else any of the same kind at the same price; with the counts as they
# are afterwards. One statement, since others wait for the order's lock meanwhile. `FOR KEY SHARE`: the driver
# cannot change the vehicle (`registering`) before the commit, but positions can be saved.
CLAIM = text(f"""
    WITH me AS (
        SELECT FROM drivers WHERE id = :driver_id AND available AND vehicle = :vehicle FOR KEY SHARE
    ), claimed AS (
        UPDATE truck_requests SET status = 'assigned', driver_id = :driver_id,
            driver_name = :driver_name, driver_phone = :driver_phone,
            driver_vehicle_number = :driver_vehicle_number,
            assigned_at = coalesce(:now, now()), updated_at = coalesce(:now, now())
        WHERE id = (
            SELECT id FROM truck_requests
            WHERE order_id = :order_id AND status = 'searching' AND vehicle = :vehicle
                AND price_per_truck = :fare
                AND EXISTS (SELECT FROM me)
                AND EXISTS (SELECT FROM offers WHERE id = :offer_id AND state = 'open')
                AND NOT EXISTS (
                    SELECT FROM truck_requests WHERE driver_id = :driver_id AND status IN {RUNNING}
                )
            ORDER BY (id = :wanted) DESC, request_number LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING *
    ), won AS (
        UPDATE offers SET state = 'accepted', closed_at = coalesce(:now, now()), truck_request_id = claimed.id
        FROM claimed WHERE offers.id = :offer_id AND offers.state = 'open' RETURNING 1
    ), before AS (
        SELECT count(*) FILTER (WHERE status = 'searching') AS missing,
            count(*) FILTER (WHERE status = 'searching' AND vehicle = :vehicle) AS missing_of_kind,
            count(*) FILTER (
                WHERE status = 'searching' AND vehicle = :vehicle AND price_per_truck = :fare
            ) AS missing_at_price,
            {COUNTS}
        FROM truck_requests WHERE order_id = :order_id
    )
    SELECT claimed.*, (SELECT count(*) FROM won) AS won, missing - 1 AS missing,
        missing_of_kind - 1 AS missing_of_kind, missing_at_price - 1 AS missing_at_price,
        filled + 1 AS filled, under_way, completed
    FROM claimed CROSS JOIN before
""")

DECLINE = text("""
    UPDATE offers SET state = 'declined', closed_at = coalesce(:now, now()) WHERE id = :id AND state = 'open'
""")

FILL = text("""
    UPDATE orders SET trucks_filled = :filled, status = :status, searching = :searching,
        next_wave_at = CASE WHEN :searching THEN next_wave_at END, updated_at = coalesce(:now, now())
    WHERE id = :order_id
""")

# What an accept changes beside the truck and the offer, in one round trip under the lock.
RECORD = text("; ".join(clause.text for clause in (FILL, events.INSERT, outbox.INSERT)))

# The error of an accept by the state of the order if that has ended, else by the state of the offer.
ENDED: dict[str, type[DomainError]] = {"cancelled": OrderCancelled, "expired": OrderExpired}
CLOSED: dict[str, type[DomainError]] = {
    "accepted": TruckTaken,
    "taken": TruckTaken,
    "expired": OrderExpired,
    "cancelled": OrderCancelled,
    "declined": InvalidTransition,
    "given_back": NotOffered,
    "withdrawn": NotOffered,
}


@dataclass(frozen=True)
class Acceptance:
    """The driver's view of the trip; no follow-up if the trip had been assigned before."""

    trip: dict[str, Any]
    followup: outbox.Followup | None = None


def accept(
    driver_id: str, order_id: str, truck_request_id: str | None = None, now: datetime | None = None
) -> Acceptance:
    """Assigns one truck of the order to this driver.

    ``truck_request_id`` is a wish: another open truck of the same kind and price serves as well. A repeated
    accept succeeds again while the trip stands.
    Raises ``NotOffered``, ``TruckTaken``, ``OrderExpired``, ``OrderCancelled``, ``DriverBusy``, and
    ``ServiceUnavailable`` if other accepts of the order take too long.
    """
    with order_turns.turn(order_id):
        # A late accept is answered without a transaction.
        with db.statements() as connection:
            offer = _offer(connection, order_id, driver_id)
            if offer.state != "open":
                return _answer_closed(connection, offer)
            driver = connection.execute(DRIVER, {"driver_id": driver_id}).one()
        try:
            with db.transaction() as connection:
                return _accept(connection, offer, driver, truck_request_id, now)
        except IntegrityError as error:
            # one_running_trip_per_driver: another truck was assigned at the same moment.
            raise DriverBusy from error


def decline(driver_id: str, order_id: str, now: datetime | None = None) -> str:
    """Closes the driver's offer; declining twice is the same as once. Returns the key of the offer's end."""
    with db.transaction() as connection:
        offer = _offer(connection, order_id, driver_id)
        key = closing_key(str(offer.id))
        if offer.state == "declined":
            return key
        if not connection.execute(DECLINE, {"id": offer.id, "now": now}).rowcount:
            raise TruckTaken if offer.state == "open" else _refusal(offer)
        events.record(connection, order_id, "offer_declined", now, {"driverId": driver_id})
        return key


def _offer(connection: Connection, order_id: str, driver_id: str) -> Row[Any]:
    offer = connection.execute(OFFER, {"order_id": order_id, "driver_id": driver_id}).one_or_none()
    if offer is None:
        raise NotOffered
    return offer


def _answer_closed(connection: Connection, offer: Row[Any]) -> Acceptance:
    """The same success for a trip that still stands; else raises why it is too late."""
    if offer.state != "accepted":
        raise _refusal(offer)
    trip = trips.view(connection, str(offer.truck_request_id), offer.driver_id)
    if trip is None:
        # Returned since the offer was read.
        raise NotOffered
    if trip["status"] == "cancelled":
        raise OrderCancelled
    return Acceptance(trip)


def _refusal(offer: Row[Any]) -> DomainError:
    return ENDED.get(offer.order_status, CLOSED[offer.state])()


def _accept(
    connection: Connection, offer: Row[Any], driver: Row[Any], wanted: str | None, now: datetime | None
) -> Acceptance:
    order = connection.execute(LOCK, {"order_id": offer.order_id, "now": now}).one()
    searching = order.searching and order.in_time
    truck = _claim(connection, offer, driver, wanted, now) if searching else None
    if truck is None:
        return _too_late(connection, offer, searching)
    if not truck.won:
        raise InvalidTransition("You declined this offer in the same moment.")
    return _fill(connection, order, offer, truck, driver, now)


def _claim(
    connection: Connection, offer: Row[Any], driver: Row[Any], wanted: str | None, now: datetime | None
) -> Row[Any] | None:
    return connection.execute(
        CLAIM,
        {
            "order_id": offer.order_id,
            "offer_id": offer.id,
            "driver_id": driver.id,
            "driver_name": driver.name,
            "driver_phone": driver.phone,
            "driver_vehicle_number": driver.vehicle_number,
            "vehicle": offer.vehicle,
            "fare": offer.fare,
            "wanted": wanted or str(offer.truck_request_id),
            "now": now,
        },
    ).one_or_none()


def _too_late(connection: Connection, before: Row[Any], searching: bool) -> Acceptance:
    """Finds out what has changed since the offer was read."""
    offer = _offer(connection, str(before.order_id), before.driver_id)
    if offer.state != "open":
        return _answer_closed(connection, offer)
    if not searching:
        raise OrderExpired
    me = {"driver_id": offer.driver_id, "vehicle": offer.vehicle}
    if connection.execute(BUSY, me).first():
        raise DriverBusy
    raise TruckTaken if connection.execute(SUITABLE, me).first() else NotOffered


def _fill(
    connection: Connection,
    order: Row[Any],
    offer: Row[Any],
    truck: Row[Any],
    driver: Row[Any],
    now: datetime | None,
) -> Acceptance:
    searching = truck.missing > 0
    trip = views.trip_view(truck, order)
    notices = [
        Message(messages.driver(driver.id), "trip_assigned", trip, key=f"assigned:{offer.id}"),
        announcing.to_customer(order, truck, driver),
        *announcing.to_losers(connection, order, truck, now),
    ]
    event = {"driverId": driver.id, "truckRequestId": str(truck.id)}
    row = {
        "order_id": order.id,
        "filled": truck.filled,
        "status": status_of(order.total_trucks, truck.filled, truck.under_way, truck.completed, searching),
        "searching": searching,
        "now": now,
        "type": "truck_assigned",
        "data": orjson.dumps(event).decode(),
        "body": outbox.body(notices, [driver.id]),
    }
    written = connection.execute(RECORD, row).one()
    return Acceptance(
        trip, outbox.written(written, str(order.id), notices, [driver.id], recounted=truck.vehicle)
    )
