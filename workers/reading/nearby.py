"""Why nobody? Who is near an order's pickup now, and why each of them would be left out.

Of the moment of asking, from the driver index and Postgres: what a wave saw when it was sent is not kept.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from models import clock, db, settings
from models.errors import OrderNotFound
from models.geo import kilometres_from
from models.live import driver_index, driver_search
from models.live.driver_search import Nearby, Question
from models.tables.orders import RUNNING
from workers.offers.matching import WAVE_RADII_KM

REACH_KM = float(WAVE_RADII_KM[-1])
# Drivers looked at of each vehicle that is missing, enough to see why, and of each of so many others: Redis
# does nothing else meanwhile.
MOST_DRIVERS, MOST_OTHERS, MOST_VEHICLES = 1_000, 100, 50
LEFT_OUT = ("otherVehicle", "busy", "silent", "offDuty", "askedAlready")

ORDER = text("SELECT pickup_latitude, pickup_longitude FROM orders WHERE id = :order_id")
MISSING = text("""
    SELECT vehicle, min(vehicle_type) || '/' || min(vehicle_subtype) AS name FROM truck_requests
    WHERE order_id = :order_id AND status IN ('searching', 'expired') GROUP BY vehicle ORDER BY vehicle
""")
# As a wave leaves them out; who lost a truck or was withdrawn may be asked again.
ASKED = text("""
    SELECT f.driver_id FROM offers f JOIN orders o ON o.id = f.order_id
    WHERE f.order_id = :order_id AND (f.round = o.round OR f.state IN ('open', 'given_back'))
        AND f.state NOT IN ('taken', 'withdrawn')
""")
OF_VEHICLE = text(f"""
    SELECT d.id, d.available, d.last_latitude, d.last_longitude, t.status FROM (
        SELECT id, available, last_latitude, last_longitude FROM drivers
        WHERE vehicle = :vehicle ORDER BY id LIMIT :limit
    ) AS d LEFT JOIN LATERAL (
        SELECT status FROM truck_requests WHERE driver_id = d.id AND status IN {RUNNING} OFFSET 0
    ) AS t ON true
""")
NAMES = text("""
    SELECT v.vehicle, d.name FROM unnest(CAST(:vehicles AS text[])) AS v(vehicle) CROSS JOIN LATERAL (
        SELECT vehicle_type || '/' || vehicle_subtype AS name FROM drivers WHERE vehicle = v.vehicle LIMIT 1
    ) AS d
""")


def read(order_id: str) -> dict[str, Any]:
    """``{summary, missing, waves, otherVehicles}``; distances are as the crow flies.

    Raises ``OrderNotFound``, and ``redis.RedisError`` without the driver index.
    """
    with db.reads() as connection:
        order = connection.execute(ORDER, {"order_id": order_id}).one_or_none()
        if order is None:
            raise OrderNotFound
        names = {row.vehicle: row.name for row in connection.execute(MISSING, {"order_id": order_id})}
        asked = frozenset(connection.execute(ASKED, {"order_id": order_id}).scalars())
        known = {vehicle: _of_vehicle(connection, vehicle) for vehicle in names}
    others = sorted(set(driver_index.vehicles()) - set(names))[:MOST_VEHICLES] if names else []
    near = _near(order, list(names), MOST_DRIVERS) | _near(order, others, MOST_OTHERS)
    found = _sorted_out(order, known, near, asked)
    found["otherVehicle"] = [driver.distance_km for vehicle in others for driver in near[vehicle]]
    missing = [
        {"vehicle": names[vehicle], "drivers": len(rows), "more": len(rows) == MOST_DRIVERS}
        for vehicle, rows in known.items()
    ]
    other_vehicles = _by_name({vehicle: near[vehicle] for vehicle in others if near[vehicle]})
    waves = [_wave(wave, radius, found) for wave, radius in enumerate(WAVE_RADII_KM, 1)]
    return {
        "summary": _summary(missing, other_vehicles),
        "missing": missing,
        "waves": waves if names else [],
        "otherVehicles": other_vehicles,
    }


def _of_vehicle(connection: Connection, vehicle: str) -> Sequence[Row[Any]]:
    return connection.execute(OF_VEHICLE, {"vehicle": vehicle, "limit": MOST_DRIVERS}).all()


def _near(order: Row[Any], vehicles: Sequence[str], most: int) -> dict[str, list[Nearby]]:
    """Free drivers in reach who were heard of, by vehicle, the nearest of each."""
    place = (order.pickup_latitude, order.pickup_longitude, REACH_KM, most)
    questions = [Question(vehicle, *place) for vehicle in vehicles]
    presence_ms = settings.load().driver_presence_seconds * 1000
    answers = driver_search.nearest(questions, clock.now_ms(), presence_ms)
    return dict(zip(vehicles, answers, strict=True))


def _sorted_out(
    order: Row[Any],
    known: Mapping[str, Sequence[Row[Any]]],
    near: Mapping[str, Sequence[Nearby]],
    asked: Collection[str],
) -> dict[str, list[float]]:
    """Distances (km) of the drivers of the missing vehicles: by why they are left out, or ``free``."""
    distance_to = kilometres_from(order.pickup_latitude, order.pickup_longitude)
    found: dict[str, list[float]] = {why: [] for why in ("free", *LEFT_OUT)}
    for vehicle, rows in known.items():
        for driver in near[vehicle]:
            found["askedAlready" if driver.driver_id in asked else "free"].append(driver.distance_km)
        free = {driver.driver_id for driver in near[vehicle]}
        # Beyond the farthest of a full page nobody knows who is silent.
        known_to = near[vehicle][-1].distance_km if len(free) == MOST_DRIVERS else REACH_KM
        for row in rows:
            if row.id not in free and row.last_latitude is not None:
                distance = distance_to(row.last_latitude, row.last_longitude)
                why = "busy" if row.status else "silent" if row.available else "offDuty"
                if why != "silent" or distance <= known_to:
                    found[why].append(distance)
    return found


def _wave(wave: int, radius_km: int, found: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    counts = {why: _within(distances, radius_km) for why, distances in found.items()}
    return {
        "wave": wave,
        "radiusKm": radius_km,
        "free": counts.pop("free"),
        "leftOut": counts,
    }


def _within(distances: Sequence[float], radius_km: float) -> int:
    return bisect_right(sorted(distances), radius_km)


def _by_name(near: Mapping[str, Sequence[Nearby]]) -> list[dict[str, Any]]:
    with db.reads() as connection:
        names = {row.vehicle: row.name for row in connection.execute(NAMES, {"vehicles": list(near)})}
    counted = [
        {
            "vehicle": names.get(vehicle, vehicle),
            "within5Km": _within([driver.distance_km for driver in drivers], WAVE_RADII_KM[0]),
            "within50Km": len(drivers),
        }
        for vehicle, drivers in near.items()
    ]
    return sorted(counted, key=lambda row: (-row["within5Km"], -row["within50Km"], row["vehicle"]))


def _summary(missing: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> str:
    """As "0 drivers drive TRUCK/TATA_ACEE; 14 TRUCK/TATA_ACE within 5 km"; empty if no truck is missing."""
    said = [
        f"{'at least ' if vehicle['more'] else ''}{vehicle['drivers']} drivers drive {vehicle['vehicle']}"
        for vehicle in missing
    ]
    if missing and others and others[0]["within5Km"]:
        said.append(f"{others[0]['within5Km']} {others[0]['vehicle']} within {WAVE_RADII_KM[0]} km")
    return "; ".join(said)
