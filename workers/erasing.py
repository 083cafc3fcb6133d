"""Erases a person from Postgres: name, phone, addresses and tracks go, places keep two decimals (about 1 km).

Ids and times stay: orders, offers and the audit still say what happened. Each step may be repeated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db
from models.errors import PersonActive
from models.tables.orders import PRESENT_STATES, RUNNING
from workers.retention import ENDED

# What stands where a text was.
ERASED = "erased"
BATCH = 100

NOTE = text("""
    INSERT INTO erasures (role, person_id, operator, reason)
    SELECT :role, person_id, :operator, :reason FROM unnest(CAST(:ids AS text[])) AS person_id
""")

QUEUED = text("SELECT 1 FROM admissions WHERE customer_id = :id AND state = 'queued'")
PRESENT = text("SELECT 1 FROM orders WHERE customer_id = :id AND status = ANY(:present) LIMIT 1")
# What still has to be sent says where and who.
UNFINISHED = text("SELECT order_id FROM outbox WHERE order_id = ANY(CAST(:orders AS uuid[]))")
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
# All reasons of these orders, since they may name anybody.
FORGET_WORDS = text("SELECT forget_words(CAST(:orders AS uuid[]), NULL, NULL)")
# Those of what operators did to the drivers.
FORGET_NOTES = text("SELECT forget_words('{}', NULL, id) FROM unnest(CAST(:ids AS text[])) AS id")

# Waits for accepts that are under way.
LOCK_DRIVERS = text("SELECT id, available FROM drivers WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
AT_WORK = text(f"""
    SELECT driver_id FROM truck_requests WHERE driver_id = ANY(:ids) AND status IN {RUNNING}
    UNION SELECT driver_id FROM offers WHERE driver_id = ANY(:ids) AND state = 'open'
""")
ERASE_DRIVERS = text(f"""
    UPDATE drivers SET name = '{ERASED}', phone = '{ERASED}', vehicle_number = '{ERASED}',
        last_latitude = NULL, last_longitude = NULL, last_position_at = NULL, updated_at = now()
    WHERE id = ANY(:ids)
""")
DRIVEN = text("""
    SELECT driver_id, CAST(order_id AS text) AS order_id, CAST(truck_request_id AS text) AS truck FROM offers
    WHERE driver_id = ANY(:ids) AND state IN ('accepted', 'given_back')
""")
# What is shown of a driver is then the driver's row.
ERASE_TRIPS = text("""
    UPDATE truck_requests SET driver_name = NULL, driver_phone = NULL, driver_vehicle_number = NULL
    WHERE driver_id = ANY(:ids)
""")
FORGET_WAYS = text("""
    DELETE FROM track_parts
    WHERE truck_request_id = ANY(CAST(:trucks AS uuid[])) AND driver_id = ANY(:ids)
""")
FORGET_REASONS = text("""
    UPDATE orders SET cancel_reason = NULL
    WHERE id = ANY(CAST(:orders AS uuid[])) AND cancel_reason IS NOT NULL
""")
CUSTOMERS = text("SELECT DISTINCT customer_id FROM orders WHERE id = ANY(CAST(:orders AS uuid[]))")


@dataclass
class Traces:
    """Where Redis may still know who was erased: orders, keys, and the people who were sent messages."""

    erased: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)


def customer(customer_id: str, reason: str, operator: str) -> Traces:
    """Erases a customer. Raises ``PersonActive`` while an order of theirs is queued or has not ended."""
    values = {"id": customer_id, "present": ["active", *PRESENT_STATES]}
    with db.transaction() as connection:
        if connection.execute(QUEUED, values).first() or connection.execute(PRESENT, values).first():
            raise PersonActive
        _note(connection, "customer", [customer_id], reason, operator)
    found = Traces([customer_id])
    for orders in chain.from_iterable(_pages(customer_id, status) for status in ENDED):
        found.orders += orders
        found.others |= _erase_orders(orders)
    with db.transaction() as connection:
        admitted = connection.execute(FORGET_KEYS, values).all()
        # An operator may have cancelled them before they were placed.
        unplaced = [str(row.order_id) for row in admitted if row.state != "placed"]
        _refuse_unfinished(connection, unplaced)
        connection.execute(FORGET_WORDS, {"orders": unplaced})
    found.keys += [row.idempotency_key for row in admitted if row.idempotency_key]
    return found


def _note(connection: Connection, role: str, ids: Sequence[str], reason: str, operator: str) -> None:
    connection.execute(NOTE, {"role": role, "ids": ids, "reason": reason, "operator": operator})


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
    values = {"orders": orders}
    with db.transaction() as connection:
        _refuse_unfinished(connection, orders)
        for statement in (ERASE_ORDERS, FORGET_TRACKS, FORGET_WORDS):
            connection.execute(statement, values)
        return set(connection.execute(ASKED, values).scalars())


def _refuse_unfinished(connection: Connection, orders: Sequence[str]) -> None:
    if connection.execute(UNFINISHED, {"orders": orders}).first():
        raise PersonActive


def drivers(driver_ids: Sequence[str], reason: str, operator: str) -> Traces:
    """Erases drivers together. Left out are those who are on duty, drive, or have an open offer, and who is
    not registered.
    """
    with db.transaction() as connection:
        locked = connection.execute(LOCK_DRIVERS, {"ids": driver_ids}).all()
        free = {row.id for row in locked if not row.available}
        free -= set(connection.execute(AT_WORK, {"ids": list(free)}).scalars())
        driven = connection.execute(DRIVEN, {"ids": list(free)}).all()
        orders = {row.order_id for row in driven}
        unfinished = set(map(str, connection.execute(UNFINISHED, {"orders": list(orders)}).scalars()))
        free -= {row.driver_id for row in driven if row.order_id in unfinished}
        return _erase_drivers(
            connection, sorted(free), [row for row in driven if row.driver_id in free], reason, operator
        )


def _erase_drivers(
    connection: Connection, erased: list[str], driven: Sequence[Row[Any]], reason: str, operator: str
) -> Traces:
    orders = sorted({row.order_id for row in driven})
    values = {"ids": erased, "orders": orders, "trucks": [row.truck for row in driven]}
    _note(connection, "driver", erased, reason, operator)
    for statement in (ERASE_DRIVERS, ERASE_TRIPS, FORGET_WAYS, FORGET_WORDS, FORGET_NOTES, FORGET_REASONS):
        connection.execute(statement, values)
    return Traces(erased, orders, others=set(connection.execute(CUSTOMERS, values).scalars()))
