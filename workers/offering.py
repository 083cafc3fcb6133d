"""Asks drivers: the rows of a wave's offers, and what each driver is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text
from uuid_utils.compat import uuid7

from models import messages, money
from models.messages import Message
from models.orders import RUNNING
from workers.matching import Candidate, radius_km

# The index in Redis proposes; Postgres knows who is registered, available and free.
INSERT_OFFERS = text(f"""
    INSERT INTO offers
        (id, order_id, driver_id, truck_request_id, vehicle, fare, round, wave, pickup_distance_km,
            offered_at)
    SELECT c.id, :order_id, d.id, c.truck_request_id, d.vehicle, c.fare, :round, :wave, c.km,
        coalesce(:now, now())
    FROM jsonb_to_recordset(CAST(:candidates AS jsonb))
        AS c(id uuid, driver_id text, truck_request_id uuid, vehicle text, fare numeric, km float8)
    JOIN drivers d ON d.id = c.driver_id AND d.available AND d.vehicle = c.vehicle
    WHERE NOT EXISTS (SELECT FROM truck_requests t WHERE t.driver_id = d.id AND t.status IN {RUNNING})
    ON CONFLICT (order_id, driver_id, round) DO NOTHING
    RETURNING id, driver_id, truck_request_id, vehicle, fare, pickup_distance_km
""")

SEARCH = text("""
    SELECT id, customer_id, pickup, drop, route_points, pickup_latitude, pickup_longitude, distance_km,
           round, wave, next_wave_at, expires_at, no_supply_told, request_id
    FROM orders WHERE id = :order_id AND searching
""")

MISSING = text("""
    SELECT id, vehicle, vehicle_type, vehicle_subtype, price_per_truck FROM truck_requests
    WHERE order_id = :order_id AND status = 'searching' ORDER BY request_number
""")


@dataclass(frozen=True)
class Search:
    """What an offer tells of its order, and the trucks that are still missing."""

    order_id: str
    round: int
    details: dict[str, Any]
    types: dict[str, tuple[str, str]]
    still_needed: dict[str, int]


@dataclass(frozen=True)
class Offered:
    """One driver asked."""

    offer_id: str
    driver_id: str
    truck_request_id: str
    vehicle: str
    fare: int | float
    distance_km: float


def closing_key(order_id: str, search_round: int) -> str:
    """Names the end of one search of an order: offers that arrive later are not shown."""
    return f"closed:{order_id}:{search_round}"


def offer(
    connection: Connection, search: Search, wave: int, asked: Sequence[Candidate], now: datetime | None
) -> list[Offered]:
    """Writes the offers of one wave, for those drivers who can still take one."""
    if not asked:
        return []
    proposal = [
        {
            "id": str(uuid7()),
            "driver_id": c.driver_id,
            "truck_request_id": c.truck.id,
            "vehicle": c.truck.vehicle,
            "fare": str(c.truck.fare),
            "km": round(c.distance_km, 3),
        }
        for c in asked
    ]
    rows = connection.execute(
        INSERT_OFFERS,
        {
            "order_id": search.order_id,
            "round": search.round,
            "wave": wave,
            "now": now,
            "candidates": orjson.dumps(proposal).decode(),
        },
    )
    return sorted((offered(row) for row in rows), key=lambda one: (one.distance_km, one.driver_id))


def offered(row: Row[Any]) -> Offered:
    """The offer as its row tells it."""
    return Offered(
        str(row.id),
        row.driver_id,
        str(row.truck_request_id),
        row.vehicle,
        money.number(row.fare),
        row.pickup_distance_km,
    )


def new_broadcast(search: Search, one: Offered) -> Message:
    """The offer as its driver sees it."""
    vehicle_type, vehicle_subtype = search.types[one.vehicle]
    data = search.details | {
        "orderId": search.order_id,
        "truckRequestId": one.truck_request_id,
        "pickupDistanceKm": one.distance_km,
        "vehicleType": vehicle_type,
        "vehicleSubtype": vehicle_subtype,
        "farePerTruck": one.fare,
        "trucksStillNeeded": search.still_needed[one.vehicle],
    }
    return Message(
        messages.driver(one.driver_id),
        "new_broadcast",
        data,
        key=f"offer:{one.offer_id}",
        unless=closing_key(search.order_id, search.round),
    )


def wave_event(wave: int, sent: Sequence[Offered]) -> dict[str, Any]:
    """What the audit says of a wave: who was asked, and how far away they were."""
    asked = [
        {"driverId": o.driver_id, "truckRequestId": o.truck_request_id, "distanceKm": o.distance_km}
        for o in sent
    ]
    return {"wave": wave, "radiusKm": radius_km(wave), "drivers": asked}


def search_of(order: Row[Any], missing: Sequence[Row[Any]]) -> Search:
    """The search as its rows tell it."""
    details = {
        "pickup": order.pickup,
        "drop": order.drop,
        "routePoints": order.route_points,
        "distanceKm": order.distance_km,
        "expiresAt": messages.iso(order.expires_at),
    }
    types = {truck.vehicle: (truck.vehicle_type, truck.vehicle_subtype) for truck in missing}
    return Search(str(order.id), order.round, details, types, still_needed(missing))


def still_needed(missing: Sequence[Row[Any]]) -> dict[str, int]:
    """How many trucks of each vehicle are missing."""
    counts: dict[str, int] = {}
    for truck in missing:
        counts[truck.vehicle] = counts.get(truck.vehicle, 0) + 1
    return counts
