"""The rows of a wave's offers, and the message that each driver gets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from models import db, messages, money
from models.messages import Message
from models.outbox import Wave
from models.tables.orders import RUNNING
from workers.offers.matching import Offered, radius_km
from workers.views import Columns

# The proposed offers: ``:candidates`` is JSON of ``Offered``.
PROPOSALS = """jsonb_to_recordset(CAST(:candidates AS jsonb))
    AS c(offer_id uuid, order_id uuid, driver_id text, truck_request_id uuid, vehicle text,
        fare numeric, round smallint, wave smallint, distance_km float8)"""

# Whether the driver of a proposal ``c`` can be asked: Redis proposes, Postgres knows who is registered,
# available and free. ``OFFSET 0`` makes the planner look up each driver, and their trip, by id: it cannot
# know how few they are, and would read the whole table of drivers and the index of trips.
AVAILABLE = f"""EXISTS (
        SELECT FROM drivers d WHERE d.id = c.driver_id AND d.available AND d.vehicle = c.vehicle OFFSET 0
    ) AND NOT EXISTS (
        SELECT FROM truck_requests t WHERE t.driver_id = c.driver_id AND t.status IN {RUNNING} OFFSET 0
    )"""


def insert_offers(at: str) -> str:
    """The beginning of the SQL that inserts proposals ``c``; a ``FROM`` with these follows it."""
    return f"""
        INSERT INTO offers
            (id, order_id, driver_id, truck_request_id, vehicle, fare, round, wave, pickup_distance_km,
                offered_at)
        SELECT c.offer_id, c.order_id, c.driver_id, c.truck_request_id, c.vehicle, c.fare, c.round, c.wave,
            c.distance_km, {at}
    """


# A truck may have been taken since it was proposed: another one of that kind and price takes its place, and
# without one the driver is not asked.
INSERT_OFFERS = text(f"""
    WITH proposed AS (
        SELECT c.offer_id, c.order_id, c.driver_id, open.id AS truck_request_id, c.vehicle, c.fare, c.round,
            c.wave, c.distance_km
        FROM {PROPOSALS} CROSS JOIN LATERAL (
            SELECT t.id FROM truck_requests t
            WHERE t.order_id = c.order_id AND t.status = 'searching' AND t.vehicle = c.vehicle
                AND t.price_per_truck = c.fare
            ORDER BY t.id <> c.truck_request_id, t.request_number LIMIT 1
        ) AS open
    )
    {insert_offers("coalesce(:now, now())")}
    FROM proposed c WHERE {AVAILABLE}
    ON CONFLICT DO NOTHING
    RETURNING id, truck_request_id
""")

SEARCHES = text("""
    SELECT id, customer_id, pickup, drop, route_points, pickup_latitude, pickup_longitude, distance_km,
           round, wave, next_wave_at, expires_at, no_supply_told, request_id
    FROM orders WHERE id = ANY(CAST(:ids AS uuid[])) AND searching
""")

OPEN_OF_ORDERS = text("""
    SELECT id, order_id, driver_id, truck_request_id, vehicle, fare, round, wave, pickup_distance_km
    FROM offers
    WHERE order_id = ANY(CAST(:ids AS uuid[])) AND state = 'open'
    ORDER BY order_id, pickup_distance_km, driver_id
""")

MISSING = text("""
    SELECT id, order_id, vehicle, vehicle_type, vehicle_subtype, price_per_truck FROM truck_requests
    WHERE order_id = ANY(CAST(:ids AS uuid[])) AND status = 'searching' ORDER BY order_id, request_number
""")


@dataclass(frozen=True)
class OfferDetails:
    """What offers show of their order, and of the trucks that are still missing."""

    order_id: str
    round: int
    details: dict[str, Any]
    types: dict[str, tuple[str, str]]
    still_needed: dict[str, int]


def closing_key(offer_id: str) -> str:
    """The key of an offer's end: a mailbox that has it takes the offer no more."""
    return f"closed:{offer_id}"


def insert(connection: Connection, proposals: Sequence[Offered], now: datetime | None) -> list[Offered]:
    """Inserts the offers of one wave, for the drivers who can still take one."""
    if not proposals:
        return []
    values = {"now": now, "candidates": orjson.dumps(proposals).decode()}
    trucks = {str(row.id): str(row.truck_request_id) for row in connection.execute(INSERT_OFFERS, values)}
    return [
        replace(proposal, truck_request_id=trucks[proposal.offer_id])
        for proposal in proposals
        if proposal.offer_id in trucks
    ]


def offered(row: Row[Any]) -> Offered:
    """The offer as its row tells it."""
    return Offered(
        str(row.id),
        str(row.order_id),
        row.driver_id,
        str(row.truck_request_id),
        row.vehicle,
        money.number(row.fare),
        row.round,
        row.wave,
        row.pickup_distance_km,
    )


def new_broadcast(order: OfferDetails, offer: Offered) -> Message:
    """The offer as its driver sees it."""
    vehicle_type, vehicle_subtype = order.types[offer.vehicle]
    data = order.details | {
        "orderId": order.order_id,
        "truckRequestId": offer.truck_request_id,
        "pickupDistanceKm": offer.distance_km,
        "vehicleType": vehicle_type,
        "vehicleSubtype": vehicle_subtype,
        "farePerTruck": offer.fare,
        "trucksStillNeeded": order.still_needed[offer.vehicle],
    }
    return Message(
        messages.driver(offer.driver_id),
        "new_broadcast",
        data,
        key=f"offer:{offer.offer_id}:{order.round}",
        unless=closing_key(offer.offer_id),
    )


def broadcasts(waves: Sequence[tuple[str, Wave]]) -> list[list[Message]]:
    """For each order and wave the messages of its offers that are still open."""
    ids = {"ids": list({order_id for order_id, _ in waves})}
    missing: dict[str, list[Row[Any]]] = {}
    offers: dict[str, list[Row[Any]]] = {}
    with db.statements() as connection:
        orders = {str(order.id): order for order in connection.execute(SEARCHES, ids)}
        for truck in connection.execute(MISSING, ids):
            missing.setdefault(str(truck.order_id), []).append(truck)
        for row in connection.execute(OPEN_OF_ORDERS, ids):
            offers.setdefault(str(row.order_id), []).append(row)
    details = {order_id: details_of(order, missing.get(order_id, [])) for order_id, order in orders.items()}
    return [
        _shown(details[order_id], [row for row in offers.get(order_id, []) if _goes_with(row, wave)])
        if order_id in details
        else []
        for order_id, wave in waves
    ]


def open_broadcasts(connection: Connection, order: OfferDetails, wave: Wave) -> list[Message]:
    """The same for one order whose details are known. (Its search may be a later one than the wave's.)"""
    rows = connection.execute(OPEN_OF_ORDERS, {"ids": [order.order_id]})
    return _shown(order, [row for row in rows if _goes_with(row, wave)])


def _goes_with(offer: Row[Any], wave: Wave) -> bool:
    """Whether an open offer is sent with a wave: with its own, and with the first of a later search, which
    prolongs earlier offers.
    """
    return Wave(offer.round, offer.wave) == wave or (wave.wave == 1 and offer.round < wave.round)


def _shown(order: OfferDetails, offers: Sequence[Row[Any]]) -> list[Message]:
    return [new_broadcast(order, offered(row)) for row in offers if row.vehicle in order.types]


def wave_event(wave: int, sent: Sequence[Offered]) -> dict[str, Any]:
    """The audit of a wave: who was asked, and how far away they were."""
    asked = [
        {"driverId": o.driver_id, "truckRequestId": o.truck_request_id, "distanceKm": o.distance_km}
        for o in sent
    ]
    return {"wave": wave, "radiusKm": radius_km(wave), "drivers": asked}


def details_of(order: Columns, missing: Sequence[Columns]) -> OfferDetails:
    """What the offers of an order show. The part that is the same for all drivers is serialised once."""
    details = {
        "pickup": orjson.Fragment(orjson.dumps(order.pickup)),
        "drop": orjson.Fragment(orjson.dumps(order.drop)),
        "routePoints": orjson.Fragment(orjson.dumps(order.route_points)),
        "distanceKm": order.distance_km,
        "expiresAt": messages.iso(order.expires_at),
    }
    types = {truck.vehicle: (truck.vehicle_type, truck.vehicle_subtype) for truck in missing}
    return OfferDetails(str(order.id), order.round, details, types, still_needed(missing))


def still_needed(missing: Sequence[Columns]) -> dict[str, int]:
    """How many trucks of each vehicle are missing."""
    counts: dict[str, int] = {}
    for truck in missing:
        counts[truck.vehicle] = counts.get(truck.vehicle, 0) + 1
    return counts
