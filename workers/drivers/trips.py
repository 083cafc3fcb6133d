"""A trip, which its driver moves from assigned to completed, or returns."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db, messages, outbox, settings
from models.errors import InvalidTransition, TripNotFound
from models.messages import Message
from models.tables.orders import COUNTS, LOADED, NEXT_TRIP_STATUS, RUNNING, status_of
from workers import events, order_turns, views

TRIPS = """
    SELECT t.id, t.order_id, t.status, t.vehicle_type, t.vehicle_subtype, t.price_per_truck, t.assigned_at,
        o.pickup, o.drop, o.route_points, o.distance_km
    FROM truck_requests t JOIN orders o ON o.id = t.order_id WHERE
"""
TRIP = text(f"{TRIPS} t.id = :id AND (t.driver_id = :driver_id) IS TRUE")

OWN = text("SELECT order_id FROM truck_requests WHERE id = :id AND (driver_id = :driver_id) IS TRUE")

# Every change of an order's trucks takes the order's lock first, so that no two of them can deadlock.
LOCK = text("SELECT * FROM orders WHERE id = :order_id FOR UPDATE")

TRUCK = text(
    "SELECT id, status, vehicle FROM truck_requests WHERE id = :id AND (driver_id = :driver_id) IS TRUE"
)

ADVANCE = text("""
    UPDATE truck_requests SET status = :status, updated_at = coalesce(:now, now())
    WHERE id = :id AND (driver_id = :driver_id AND status = :present) IS TRUE
""")

COUNTED = text(f"SELECT {COUNTS} FROM truck_requests WHERE order_id = :order_id")

SETTLE = text("""
    UPDATE orders SET status = :status, trucks_filled = :filled, updated_at = coalesce(:now, now())
    WHERE id = :order_id
""")

GIVE_BACK = text(f"""
    UPDATE truck_requests SET status = 'searching', driver_id = NULL, assigned_at = NULL,
        driver_name = NULL, driver_phone = NULL, driver_vehicle_number = NULL,
        updated_at = coalesce(:now, now())
    WHERE id = :id AND (driver_id = :driver_id AND status IN {RUNNING} AND status NOT IN {LOADED}) IS TRUE
""")

GIVE_BACK_OFFER = text("""
    UPDATE offers SET state = 'given_back', closed_at = coalesce(:now, now())
    WHERE order_id = :order_id AND driver_id = :driver_id AND truck_request_id = :id AND state = 'accepted'
""")

SEARCH_AGAIN = text("""
    UPDATE orders SET searching = true, status = :status, trucks_filled = :filled,
        round = round + 1, wave = 0,
        next_wave_at = coalesce(:now, now()), no_supply_told = false, updated_at = coalesce(:now, now()),
        expires_at = coalesce(:now, now()) + :ttl * interval '1 second'
    WHERE id = :order_id RETURNING round
""")


def advance(
    driver_id: str, truck_request_id: str, status: str, now: datetime | None = None
) -> outbox.Followup:
    """Moves a trip one step on. Raises ``TripNotFound`` and ``InvalidTransition``."""
    with _locked(driver_id, truck_request_id) as (connection, order, truck):
        step = {"id": truck.id, "driver_id": driver_id, "present": truck.status, "status": status, "now": now}
        if NEXT_TRIP_STATUS.get(truck.status) != status or not connection.execute(ADVANCE, step).rowcount:
            raise InvalidTransition(data={"status": truck.status, "requested": status})
        settle(connection, str(order.id), now)
        data = {"driverId": driver_id, "truckRequestId": truck_request_id, "status": status}
        events.record(connection, str(order.id), "trip_status_changed", now, data)
        notices = [status_changed(order, truck_request_id, driver_id, status)]
        freed = [driver_id] if status == "completed" else []
        return outbox.add(connection, str(order.id), notices, changed_drivers=freed)


def give_back(
    driver_id: str, truck_request_id: str, reason: str, now: datetime | None = None
) -> outbox.Followup:
    """Returns a truck that is not loaded yet: it is searched for again, for a fresh 60 s.

    Raises ``TripNotFound`` and ``InvalidTransition``.
    """
    with _locked(driver_id, truck_request_id) as (connection, order, truck):
        ids = {"id": truck.id, "order_id": order.id, "driver_id": driver_id, "now": now}
        if not connection.execute(GIVE_BACK, ids).rowcount:
            raise InvalidTransition(
                "The load is on the truck or the trip is over.", data={"status": truck.status}
            )
        connection.execute(GIVE_BACK_OFFER, ids)
        search_again(connection, order, now)
        data = {"driverId": driver_id, "truckRequestId": truck_request_id, "reason": reason}
        events.record(connection, str(order.id), "truck_given_back", now, data)
        notices = [status_changed(order, truck_request_id, driver_id, "searching")]
        return outbox.add(connection, str(order.id), notices, [driver_id], recounted=truck.vehicle)


def settle(connection: Connection, order_id: str, now: datetime | None) -> None:
    """Updates the order's status from its trucks; the caller holds the order's lock."""
    order = connection.execute(LOCK, {"order_id": order_id}).one()
    counts = connection.execute(COUNTED, {"order_id": order_id}).one()
    status = status_of(order.total_trucks, counts.filled, counts.under_way, counts.completed, order.searching)
    connection.execute(SETTLE, {"order_id": order_id, "status": status, "filled": counts.filled, "now": now})
    if status == "completed":
        events.record(connection, order_id, "order_completed", now, {"trucks": counts.completed})


def search_again(connection: Connection, order: Row[Any], now: datetime | None) -> None:
    """Starts a fresh search for the order's free trucks; the caller holds the order's lock."""
    counts = connection.execute(COUNTED, {"order_id": order.id}).one()
    status = status_of(order.total_trucks, counts.filled, counts.under_way, counts.completed, searching=True)
    connection.execute(
        SEARCH_AGAIN,
        {
            "order_id": order.id,
            "status": status,
            "filled": counts.filled,
            "ttl": settings.load().order_ttl_seconds,
            "now": now,
        },
    )


@contextmanager
def _locked(driver_id: str, truck_request_id: str) -> Iterator[tuple[Connection, Row[Any], Row[Any]]]:
    """A transaction that has locked the order of a driver's truck; yields both rows."""
    ids = {"id": truck_request_id, "driver_id": driver_id}
    with db.statements() as connection:
        order_id = connection.execute(OWN, ids).scalar_one_or_none()
    if order_id is None:
        raise TripNotFound
    with order_turns.turn(str(order_id)), db.transaction() as connection:
        order = connection.execute(LOCK, {"order_id": order_id}).one()
        truck = connection.execute(TRUCK, ids).one_or_none()
        if truck is None:
            raise TripNotFound
        yield connection, order, truck


def status_changed(order: Row[Any], truck_request_id: str, driver_id: str, status: str) -> Message:
    """To the customer: where a trip is in its course."""
    data = {
        "orderId": str(order.id),
        "truckRequestId": truck_request_id,
        "driverId": driver_id,
        "status": status,
    }
    key = f"trip:{truck_request_id}:{driver_id}:{status}:{order.round}"
    return Message(messages.customer(order.customer_id), "assignment_status_changed", data, key=key)


def view(connection: Connection, truck_request_id: str, driver_id: str) -> dict[str, Any] | None:
    """A trip as its driver sees it; ``None`` if it is not theirs, or no longer."""
    values = {"id": truck_request_id, "driver_id": driver_id}
    row = connection.execute(TRIP, values).one_or_none()
    return views.trip_view(row, row) if row else None
