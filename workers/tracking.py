"""Keeps where trucks were while a trip was running, and shows it to those whom it concerns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import text

from models import db
from models.errors import TripNotFound
from models.messages import iso

# A truck that was given back has another driver now; the earlier one's way is not his trip's.
RECORD = text("""
    INSERT INTO track_parts (truck_request_id, driver_id, points)
    SELECT t.id, given.driver_id, given.points
    FROM jsonb_to_recordset(CAST(:parts AS jsonb)) AS given (id uuid, driver_id text, points jsonb)
    JOIN truck_requests t ON t.id = given.id
""")
TRIP = text("""
    SELECT t.id, t.driver_id, t.status, o.customer_id FROM truck_requests t JOIN orders o ON o.id = t.order_id
    WHERE t.id = :id AND (t.driver_id IS NOT NULL) IS TRUE
""")
POINTS = text("""
    SELECT CAST(point ->> 0 AS bigint) AS at_ms, CAST(point ->> 1 AS float8) AS latitude,
        CAST(point ->> 2 AS float8) AS longitude, point ->> 3 = '1' AS jumped
    FROM track_parts, jsonb_array_elements(points) AS point
    WHERE truck_request_id = :id AND driver_id = :driver_id AND CAST(point ->> 0 AS bigint) > :after_ms
    ORDER BY at_ms, track_parts.id LIMIT :limit
""")

# [ms since 1970, latitude, longitude, 1 if nobody gets there so fast else 0]
Point = tuple[int, float, float, int]


@dataclass(frozen=True, slots=True)
class Way:
    """One driver on one trip."""

    truck_request_id: str
    driver_id: str


def record(parts: Mapping[Way, Sequence[Point]]) -> int:
    """Keeps these positions, one row a trip; how many rows. Points in any order, twice if sent twice."""
    rows = [
        {"id": way.truck_request_id, "driver_id": way.driver_id, "points": points}
        for way, points in parts.items()
        if points
    ]
    if not rows:
        return 0
    with db.statements() as connection:
        return connection.execute(RECORD, {"parts": orjson.dumps(rows).decode()}).rowcount


def track(
    truck_request_id: str, role: str, person: str, after: datetime | None = None, limit: int = 10_000
) -> dict[str, Any]:
    """``{truckRequestId, driverId, status, points}``, oldest first, for the trip's customer, its driver
    and operators; ``points`` begin after ``after``. Raises ``TripNotFound`` for everybody else.
    """
    after_ms = round(after.timestamp() * 1000) if after else 0
    with db.statements() as connection:
        trip = connection.execute(TRIP, {"id": truck_request_id}).one_or_none()
        if trip is None or (role, person) not in (
            ("ops", person),
            ("driver", trip.driver_id),
            ("customer", trip.customer_id),
        ):
            raise TripNotFound
        wanted = {"id": trip.id, "driver_id": trip.driver_id, "after_ms": after_ms, "limit": limit}
        points = connection.execute(POINTS, wanted).all()
    return {
        "truckRequestId": str(trip.id),
        "driverId": trip.driver_id,
        "status": trip.status,
        "points": [_view(row.at_ms, row.latitude, row.longitude, row.jumped) for row in points],
    }


def _view(at_ms: int, latitude: float, longitude: float, jumped: bool) -> dict[str, Any]:
    at = iso(datetime.fromtimestamp(at_ms / 1000, UTC))
    return {"latitude": latitude, "longitude": longitude, "at": at, "suspect": jumped}
