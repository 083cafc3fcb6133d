"""Stores the tracks of trips, and shows them to the people concerned.

A track has a point a second at most, none from before its driver's assignment and none from after the trip's
end: both when it is written and when it is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import text

from models import db
from models.errors import TripNotFound
from models.messages import iso
from models.tables.orders import ENDED_AT

# Seconds of a track in one row: a page reads few rows, and each write rewrites little.
PART_SECONDS = 10
# A trip that is never ended must not fill the table: 1.2 million points at most.
LONGEST_DAYS = 14
# What is ahead of Postgres' clock was made to be of now at the door; that may be a little before or after.
AHEAD_SECONDS = 1

# Of two points of one second the first is kept. A returned truck has another driver, whose track does not
# include the earlier one's. In the order of the key, so that two processes cannot deadlock. Nearly every part
# is within its trip as a whole, and then its points are not checked one by one.
RECORD = text(f"""
    INSERT INTO track_parts (truck_request_id, driver_id, begins_s, points)
    SELECT t.id, given.driver_id, given.begins_s, kept.points
    FROM jsonb_to_recordset(CAST(:parts AS jsonb))
        AS given (id uuid, driver_id text, begins_s bigint, first_ms bigint, last_ms bigint, points jsonb)
    JOIN truck_requests t ON t.id = given.id AND t.driver_id = given.driver_id
    CROSS JOIN LATERAL (
        SELECT ceil(extract(epoch FROM t.assigned_at) * 1000) AS from_ms, 1000 * extract(epoch FROM least(
            coalesce({ENDED_AT}, now() + interval '{AHEAD_SECONDS} second'),
            t.assigned_at + interval '{LONGEST_DAYS} days')) AS until_ms
        OFFSET 0
    ) AS trip
    CROSS JOIN LATERAL (
        SELECT CASE WHEN first_ms >= from_ms AND last_ms <= until_ms THEN given.points ELSE (
            SELECT jsonb_object_agg(second, point) FROM jsonb_each(given.points) AS one(second, point)
            WHERE CAST(point ->> 0 AS bigint) BETWEEN from_ms AND until_ms
        ) END AS points
        OFFSET 0
    ) AS kept
    WHERE kept.points IS NOT NULL
    ORDER BY t.id, given.driver_id, given.begins_s
    ON CONFLICT (truck_request_id, driver_id, begins_s)
        DO UPDATE SET points = excluded.points || track_parts.points
        WHERE NOT track_parts.points ?& ARRAY(SELECT jsonb_object_keys(excluded.points))
""")
TRIP = text(f"""
    SELECT t.id, t.driver_id, t.status, o.customer_id,
        CAST(ceil(extract(epoch FROM t.assigned_at) * 1000) AS bigint) AS from_ms,
        CAST(extract(epoch FROM coalesce({ENDED_AT}, now())) * 1000 AS bigint) AS until_ms
    FROM truck_requests t JOIN orders o ON o.id = t.order_id
    WHERE t.id = :id AND (t.driver_id IS NOT NULL) IS TRUE
""")
# Parts come from their index in the order of the answer, so no more of them are read than the page takes.
POINTS = text("""
    SELECT CAST(point ->> 0 AS bigint) AS at_ms, CAST(point ->> 1 AS float8) AS latitude,
        CAST(point ->> 2 AS float8) AS longitude, point ->> 3 = '1' AS jumped
    FROM track_parts CROSS JOIN LATERAL jsonb_each(points) AS one(second, point)
    WHERE truck_request_id = :id AND driver_id = :driver_id
        AND begins_s BETWEEN :from_s AND :until_s
        AND CAST(point ->> 0 AS bigint) BETWEEN :from_ms AND :until_ms
    ORDER BY begins_s, at_ms LIMIT :limit
""")

# [ms since 1970, latitude, longitude, 1 if no vehicle gets there so fast, else 0]
Point = tuple[int, float, float, int]


@dataclass(frozen=True, slots=True)
class Way:
    """One driver on one trip."""

    truck_request_id: str
    driver_id: str


def record(ways: Mapping[Way, Sequence[Point]]) -> int:
    """Keeps these positions, some seconds of a trip in a row; how many rows changed. Points in any order,
    twice if sent twice.
    """
    rows = [
        {
            "id": way.truck_request_id,
            "driver_id": way.driver_id,
            "begins_s": begins_s,
            "first_ms": min(points.values())[0],
            "last_ms": max(points.values())[0],
            "points": points,
        }
        for way, sent in ways.items()
        for begins_s, points in _parts(sent).items()
    ]
    if not rows:
        return 0
    with db.statements() as connection:
        return connection.execute(RECORD, {"parts": orjson.dumps(rows).decode()}).rowcount


def _parts(points: Sequence[Point]) -> dict[int, dict[str, Point]]:
    """The first point of each second, by the time at which its part begins (s) and the second in it."""
    parts: dict[int, dict[str, Point]] = {}
    for point in points:
        second = point[0] // 1000
        parts.setdefault(_part_of(second), {}).setdefault(str(second % PART_SECONDS), point)
    return parts


def _part_of(second: int) -> int:
    return second - second % PART_SECONDS


def track(
    truck_request_id: str, role: str, person: str, after: datetime | None = None, limit: int = 10_000
) -> dict[str, Any]:
    """``{truckRequestId, driverId, status, points}``, oldest first, for the trip's customer, its driver
    and operators; ``points`` begin after ``after``. Raises ``TripNotFound`` for everybody else.
    """
    with db.reads() as connection:
        trip = connection.execute(TRIP, {"id": truck_request_id}).one_or_none()
        if trip is None or (role, person) not in (
            ("ops", person),
            ("driver", trip.driver_id),
            ("customer", trip.customer_id),
        ):
            raise TripNotFound
        after_ms = round(after.timestamp() * 1000) if after else 0
        from_ms = max(after_ms + 1, trip.from_ms)
        wanted = {
            "id": trip.id,
            "driver_id": trip.driver_id,
            "from_ms": from_ms,
            "until_ms": trip.until_ms,
            "from_s": _part_of(from_ms // 1000),
            "until_s": trip.until_ms // 1000,
            "limit": limit,
        }
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
