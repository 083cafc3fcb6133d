"""Erases a person from Postgres: name, phone, addresses and tracks go, places keep two decimals (about 1 km).

Ids and times stay: orders, offers and the audit still say what happened. Each step may be repeated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from sqlalchemy import Connection, text

from models import db
from models.errors import DriverNotRegistered, PersonActive
from models.tables.orders import PRESENT_STATES
from workers.drivers.registering import BUSY
from workers.retention import ENDED

# What stands where a text was.
ERASED = "erased"
BATCH = 100

NOTE = text("""
    INSERT INTO erasures (role, person_id, operator, reason) VALUES (:role, :id, :operator, :reason)
""")

QUEUED = text("SELECT 1 FROM admissions WHERE customer_id = :id AND state = 'queued'")
PRESENT = text("SELECT 1 FROM orders WHERE customer_id = :id AND status = ANY(:present) LIMIT 1")
UNFINISHED = text("SELECT 1 FROM outbox WHERE order_id = ANY(CAST(:orders AS uuid[])) LIMIT 1")
PAGE = text("""
    SELECT id FROM orders WHERE customer_id = :id AND status = :status AND id > CAST(:after AS uuid)
    ORDER BY id LIMIT :limit
""")
ASKED = text("SELECT DISTINCT driver_id FROM offers WHERE order_id = ANY(CAST(:orders AS uuid[]))")
FORGET_KEYS = text("""
    DELETE FROM admissions WHERE customer_id = :id AND state <> 'queued'
    RETURNING order_id, state, idempotency_key
""")


# A word of SQL too.
DROP = '"drop"'


def _rounded(place: str) -> str:
    """Arguments of ``jsonb_build_object``: both coordinates of a JSON object, with two decimals."""
    axes = ("latitude", "longitude")
    return ", ".join(f"'{axis}', round(CAST({place} ->> '{axis}' AS numeric), 2)" for axis in axes)


def _place(column: str) -> str:
    coordinates = _rounded(f"{column} -> 'coordinates'")
    return (
        f"{column} = jsonb_build_object('address', '{ERASED}', "
        f"'coordinates', jsonb_build_object({coordinates}))"
    )


ERASE_ORDERS = text(f"""
    UPDATE orders SET {_place("pickup")}, {_place(DROP)}, goods_type = NULL, cancel_reason = NULL,
        pickup_latitude = round(CAST(pickup_latitude AS numeric), 2),
        pickup_longitude = round(CAST(pickup_longitude AS numeric), 2),
        route_points = (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'type', point -> 'type', 'address', '{ERASED}', {_rounded("point")}) ORDER BY number), '[]')
            FROM jsonb_array_elements(route_points) WITH ORDINALITY AS points(point, number))
    WHERE id = ANY(CAST(:orders AS uuid[]))
""")
FORGET_TRACKS = text("""
    DELETE FROM track_parts WHERE truck_request_id = ANY(ARRAY(
        SELECT id FROM truck_requests WHERE order_id = ANY(CAST(:orders AS uuid[]))
    ))
""")
# All reasons of these orders, since they may name anybody; and those of what operators did to the driver.
FORGET_WORDS = text("SELECT forget_words(CAST(:orders AS uuid[]), NULL, :driver)")

# Waits for an accept that is under way.
LOCK_DRIVER = text("SELECT available FROM drivers WHERE id = :id FOR UPDATE")
OFFERED = text("SELECT 1 FROM offers WHERE driver_id = :id AND state = 'open' LIMIT 1")
ERASE_DRIVER = text(f"""
    UPDATE drivers SET name = '{ERASED}', phone = '{ERASED}', vehicle_number = '{ERASED}',
        last_latitude = NULL, last_longitude = NULL, last_position_at = NULL, updated_at = now()
    WHERE id = :id
""")
DRIVEN = text("""
    SELECT order_id, truck_request_id FROM offers
    WHERE driver_id = :id AND state IN ('accepted', 'given_back')
""")
# What is shown of the driver is then the driver's row.
ERASE_TRIPS = text("""
    UPDATE truck_requests SET driver_name = NULL, driver_phone = NULL, driver_vehicle_number = NULL
    WHERE driver_id = :id
""")
FORGET_WAYS = text("""
    DELETE FROM track_parts WHERE truck_request_id = ANY(CAST(:trucks AS uuid[])) AND driver_id = :id
""")
FORGET_REASONS = text("""
    UPDATE orders SET cancel_reason = NULL
    WHERE id = ANY(CAST(:orders AS uuid[])) AND cancel_reason IS NOT NULL
""")
CUSTOMERS = text("SELECT DISTINCT customer_id FROM orders WHERE id = ANY(CAST(:orders AS uuid[]))")


@dataclass
class Traces:
    """Where Redis may still know the person: their orders, keys, and the people who were sent messages."""

    orders: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)


def customer(customer_id: str, reason: str, operator: str) -> Traces:
    """Erases a customer. Raises ``PersonActive`` while an order of theirs is queued or has not ended."""
    values = {"id": customer_id, "present": ["active", *PRESENT_STATES]}
    with db.transaction() as connection:
        if connection.execute(QUEUED, values).first() or connection.execute(PRESENT, values).first():
            raise PersonActive
        _note(connection, "customer", customer_id, reason, operator)
    found = Traces()
    for orders in chain.from_iterable(_pages(customer_id, status) for status in ENDED):
        found.orders += orders
        found.others |= _erase_orders(orders)
    with db.transaction() as connection:
        admitted = connection.execute(FORGET_KEYS, values).all()
        # An operator may have cancelled them before they were placed.
        unplaced = [str(row.order_id) for row in admitted if row.state != "placed"]
        _refuse_unfinished(connection, unplaced)
        connection.execute(FORGET_WORDS, {"orders": unplaced, "driver": None})
    found.keys += [row.idempotency_key for row in admitted if row.idempotency_key]
    return found


def _note(connection: Connection, role: str, person_id: str, reason: str, operator: str) -> None:
    connection.execute(NOTE, {"role": role, "id": person_id, "reason": reason, "operator": operator})


def _pages(customer_id: str, status: str) -> Iterator[list[str]]:
    values = {"id": customer_id, "status": status, "limit": BATCH}
    after = "00000000-0000-0000-0000-000000000000"
    while True:
        with db.statements() as connection:
            page = [str(row.id) for row in connection.execute(PAGE, values | {"after": after})]
        if not page:
            return
        yield page
        after = page[-1]


def _erase_orders(orders: Sequence[str]) -> set[str]:
    """Returns the drivers who were asked."""
    values = {"orders": orders, "driver": None}
    with db.transaction() as connection:
        _refuse_unfinished(connection, orders)
        for statement in (ERASE_ORDERS, FORGET_TRACKS, FORGET_WORDS):
            connection.execute(statement, values)
        return set(connection.execute(ASKED, values).scalars())


def _refuse_unfinished(connection: Connection, orders: Sequence[str]) -> None:
    """What still has to be sent says where and who."""
    if connection.execute(UNFINISHED, {"orders": orders}).first():
        raise PersonActive


def driver(driver_id: str, reason: str, operator: str) -> Traces:
    """Erases a driver. Raises ``DriverNotRegistered``, and ``PersonActive`` while they are on duty, drive, or
    have an open offer.
    """
    values = {"id": driver_id}
    with db.transaction() as connection:
        on_duty = connection.execute(LOCK_DRIVER, values).scalar_one_or_none()
        if on_duty is None:
            raise DriverNotRegistered
        if on_duty or connection.execute(BUSY, values).first() or connection.execute(OFFERED, values).first():
            raise PersonActive
        driven = connection.execute(DRIVEN, values).all()
        orders = sorted({str(row.order_id) for row in driven})
        _refuse_unfinished(connection, orders)
        _note(connection, "driver", driver_id, reason, operator)
        trips = values | {
            "orders": orders,
            "trucks": [str(row.truck_request_id) for row in driven],
            "driver": driver_id,
        }
        for statement in (ERASE_DRIVER, ERASE_TRIPS, FORGET_WAYS, FORGET_WORDS, FORGET_REASONS):
            connection.execute(statement, trips)
        return Traces(orders, others=set(connection.execute(CUSTOMERS, trips).scalars()))
