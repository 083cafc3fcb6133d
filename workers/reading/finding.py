"""Finds orders for an operator who has an id or its end, a person, a phone, a plate or an address.

Ids and people are found by indexes. For anything else the newest orders are looked through, so many a page: a
page may hold few orders or none and still have a `nextCursor`, from where the look goes on.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import text

from models import db
from models.errors import OrderNotFound
from models.keyset import LARGEST_ID, LEAST_ID, first_id, keyset
from models.live.driver_index import vehicle_key
from models.tables.drivers import PHONE_END, PLATE
from models.tables.orders import ORDER_STATES
from workers.reading import current, listing
from workers.views import order_view

FULL_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Shorter ends are those of too many orders.
ID_END = re.compile(r"[0-9a-f-]{4,35}")
PERSON_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Orders looked through for a page: reading so many addresses, or ids from an index, takes some 20 ms.
LOOKED_AT = {"any": 5_000, "address": 5_000, "end": 25_000, "drivers": 2_000}
# One phone is one person's, but for those of companies.
MOST_DRIVERS = 20

# What a row ``o`` with an order's id has to fit. ``OFFSET 0`` makes the planner look each order's trucks up.
FITS = """
    o.id >= :since AND (CAST(:vehicle AS text) IS NULL OR EXISTS (
        SELECT FROM truck_requests t WHERE t.order_id = o.id
            AND CAST(:vehicle AS text)
                IN (t.vehicle, split_part(t.vehicle, ':', 1), split_part(t.vehicle, ':', 2))
        OFFSET 0
    )) AND (CAST(:driver_id AS text) IS NULL OR EXISTS (
        SELECT FROM truck_requests t WHERE t.order_id = o.id AND t.driver_id = :driver_id OFFSET 0
    )) AND (CAST(:status AS text) IS NULL OR EXISTS (
        SELECT FROM orders s WHERE s.id = o.id AND s.status = :status OFFSET 0
    ))
"""


def _look(page: str) -> str:
    """The SQL that looks through a page of ids: how many there were, the last, and those that fit."""
    return f"""
        WITH looked AS MATERIALIZED ({page})
        SELECT (SELECT count(*) FROM looked) AS looked, (SELECT id FROM looked ORDER BY id LIMIT 1) AS last,
            ARRAY(SELECT id FROM looked o WHERE hit AND {FITS} ORDER BY id DESC LIMIT :limit) AS found
    """


def _newest(status: str | None, hit: str) -> str:
    key = {"status": f"'{status}'"} if status else {}
    return _look(f"SELECT id, {hit} AS hit FROM orders WHERE {keyset(key, 'id', ':below')} LIMIT :look_at")


HITS = {
    "any": "true",
    "address": "CAST(jsonb_path_query_array(route_points, '$[*].address') AS text) ILIKE :pattern",
    "end": '"right"(CAST(id AS text), length(:end)) = :end',
}
NEWEST = {(name, s): text(_newest(s, hit)) for name, hit in HITS.items() for s in (None, *ORDER_STATES)}
OF_DRIVERS = text(
    _look(f"""
        SELECT DISTINCT t.order_id AS id, true AS hit
        FROM unnest(CAST(:drivers AS text[])) AS d(id), LATERAL (
            SELECT order_id FROM truck_requests
            WHERE {keyset({"driver_id": "d.id"}, "order_id", ":below")} LIMIT :look_at
        ) AS t ORDER BY id DESC LIMIT :look_at
    """)
)
CHOSEN = text(_look("SELECT id, true AS hit FROM unnest(CAST(:ids AS uuid[])) AS given(id)"))
ORDERS = text("SELECT * FROM orders WHERE id = ANY(CAST(:ids AS uuid[]))")
DRIVERS = text(f"""
    (SELECT id FROM drivers WHERE id = :text)
    UNION (SELECT id FROM drivers WHERE {PHONE_END} = :phone LIMIT {MOST_DRIVERS})
    UNION (SELECT id FROM drivers WHERE {PLATE} = :plate LIMIT {MOST_DRIVERS})
""")


@dataclass(frozen=True)
class Wanted:
    """What an operator looks for; ``begin`` and ``end`` bound the time at which an order was sent."""

    text: str | None = None
    vehicle: str | None = None
    driver_id: str | None = None
    status: str | None = None
    begin: datetime | None = None
    end: datetime | None = None

    @property
    def since(self) -> str:
        return first_id(self.begin) if self.begin else LEAST_ID

    def below(self, cursor: str | None) -> str:
        """The id that a page stays below."""
        return min(cursor or LARGEST_ID, first_id(self.end) if self.end else LARGEST_ID)

    @property
    def values(self) -> dict[str, Any]:
        return {
            "since": self.since,
            "status": self.status,
            "driver_id": self.driver_id,
            "vehicle": _vehicle(self.vehicle) if self.vehicle else None,
        }


class _Part(NamedTuple):
    """Orders of one way to look, and the id down to which it has seen all; ``None`` for the end."""

    orders: list[dict[str, Any]]
    seen_to: str | None


def orders(wanted: Wanted, limit: int, cursor: str | None) -> dict[str, Any]:
    """``{orders, nextCursor}``, newest first. A full id finds its order, whatever else is wanted."""
    given = (wanted.text or "").strip().removeprefix("…").lower()
    if FULL_ID.fullmatch(given):
        return {"orders": _exact(given), "nextCursor": None}
    below = wanted.below(cursor)
    parts = _parts(wanted, given, limit, below)
    floor = max((part.seen_to for part in parts if part.seen_to), default=None)
    found = {view["id"]: view for part in parts for view in part.orders if view["id"] >= (floor or LEAST_ID)}
    views = [found[order_id] for order_id in sorted(found, reverse=True)]
    more = views[limit - 1]["id"] if len(views) > limit else floor
    return {"orders": views[:limit], "nextCursor": more if more and more > wanted.since else None}


def drivers_named(given: str) -> list[str]:
    """Drivers by their whole id, phone or plate."""
    digits = re.sub(r"[^0-9]", "", given) if re.fullmatch(r"[0-9+() ./-]+", given) else ""
    values = {
        "text": given,
        "phone": digits[-10:] if len(digits) >= 4 else None,
        "plate": given.upper().translate(dict.fromkeys(map(ord, " -."))) or None,
    }
    with db.reads() as connection:
        return sorted(connection.execute(DRIVERS, values).scalars())


def _parts(wanted: Wanted, given: str, limit: int, below: str) -> list[_Part]:
    """One part for each way in which the text can be meant."""
    page = {"limit": limit + 1, "below": below}
    if not given:
        if wanted.driver_id:
            return [_looked("drivers", wanted, page | {"drivers": [wanted.driver_id]})]
        return [_listed(None, wanted, limit, below) if not wanted.vehicle else _looked("any", wanted, page)]
    text_as_given = (wanted.text or "").strip()
    in_json = orjson.dumps(text_as_given).decode()[1:-1]
    parts = [_looked("address", wanted, page | {"pattern": containing(in_json)})]
    if ID_END.fullmatch(given):
        parts.append(_looked("end", wanted, page | {"end": given}))
    if drivers := drivers_named(text_as_given):
        parts.append(_looked("drivers", wanted, page | {"drivers": drivers}))
    if PERSON_ID.fullmatch(text_as_given):
        parts.append(_listed(text_as_given, wanted, limit, below))
    return parts


def _exact(order_id: str) -> list[dict[str, Any]]:
    try:
        return [current.order(order_id)["order"]]
    except OrderNotFound:
        return []


def _listed(customer_id: str | None, wanted: Wanted, limit: int, below: str) -> _Part:
    """A page of the usual list, of which those that fit are left; with orders that were never placed."""
    page = listing.orders(customer_id, limit, below, wanted.status)
    views = page["orders"]
    if wanted.vehicle or wanted.driver_id:
        values = wanted.values | {"ids": [view["id"] for view in views], "limit": limit}
        with db.reads() as connection:
            fitting = {str(order_id) for order_id in connection.execute(CHOSEN, values).one().found}
        views = [view for view in views if view["id"] in fitting]
    return _Part([view for view in views if view["id"] >= wanted.since], page["nextCursor"])


def _looked(way: str, wanted: Wanted, page: dict[str, Any]) -> _Part:
    look_at = LOOKED_AT[way]
    statement = OF_DRIVERS if way == "drivers" else NEWEST.get((way, wanted.status))
    if statement is None:
        # No placed order has this status.
        return _Part([], None)
    with db.reads() as connection:
        row = connection.execute(statement, wanted.values | page | {"look_at": look_at}).one()
        rows = connection.execute(ORDERS, {"ids": [str(order_id) for order_id in row.found]})
        views = sorted(map(order_view, rows), key=lambda view: str(view["id"]), reverse=True)
    if len(views) == page["limit"]:
        return _Part(views, views[-1]["id"])
    return _Part(views, str(row.last) if row.looked == look_at else None)


def _vehicle(name: str) -> str:
    """``TYPE/SUBTYPE``, or one of the two, as trucks are matched by it."""
    kind, _, subtype = name.partition("/")
    return vehicle_key(kind, subtype) if subtype else vehicle_key(kind, "").rstrip(":")


def containing(given: str) -> str:
    """The pattern (of ``ILIKE``) of what contains this text."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", given) + "%"
