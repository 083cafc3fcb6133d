"""Trips whose phone reports and whose truck does not move: a breakdown, a closed road, a load in danger."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from models import clock, db
from models.tables.orders import RUNNING
from workers.reading.drivers import TRIP, TRIPS_LOOKED_AT, found_trip, heard, signs

DRIVING = ("en_route_pickup", "in_transit")
# A receiver under a roof wanders by a street's width.
STANDS_WITHIN_KM = 0.2
# Near a place of the order trucks load, unload, or wait for it in the yard.
AT_PLACE_KM = 0.5
# Who is quiet for longer is in the list of silent drivers instead.
HEARD_WITHIN = timedelta(minutes=2)
# The track is looked at in so many moments, the earliest first: a truck that drives is known by that one.
LOOKS = 4


def _km_from(latitude: str, longitude: str) -> str:
    """Kilometres from the driver's last position; flat, which is exact enough for a few hundred metres."""
    north = f"({latitude} - d.last_latitude)"
    east = f"({longitude} - d.last_longitude) * cos(radians(d.last_latitude))"
    return f"111.195 * sqrt({north} ^ 2 + ({east}) ^ 2)"


KM_MOVED = _km_from("CAST(point ->> 1 AS float8)", "CAST(point ->> 2 AS float8)")
KM_TO_PLACE = _km_from("latitude", "longitude")
# Without a track of that age nobody knows whether the truck stands.
STANDING = text(f"""
    SELECT d.*, t.* FROM (
        SELECT driver_id, {TRIP} FROM truck_requests WHERE status IN {RUNNING} AND driver_id > ''
        ORDER BY driver_id LIMIT :look_at
    ) AS t
    CROSS JOIN LATERAL (SELECT * FROM drivers WHERE id = t.driver_id OFFSET 0) AS d
    WHERE t.status IN {DRIVING} AND t.progressed_at <= now() - :minutes * interval '1 minute'
        AND NOT EXISTS (
            SELECT FROM generate_series({LOOKS}, 1, -1) AS look LEFT JOIN LATERAL (
                SELECT jsonb_path_query_first(points, '$.*') AS point FROM track_parts
                WHERE truck_request_id = t.truck_request_id AND driver_id = t.driver_id AND begins_s
                    <= CAST(extract(epoch FROM now()) - 60 * :minutes * look / {LOOKS} AS bigint)
                ORDER BY begins_s DESC LIMIT 1
            ) AS part ON true
            WHERE coalesce({KM_MOVED} > {STANDS_WITHIN_KM}, true)
        )
        AND NOT EXISTS (
            SELECT FROM orders AS o CROSS JOIN LATERAL jsonb_to_recordset(o.route_points)
                AS place (latitude float8, longitude float8)
            WHERE o.id = t.order_id AND {KM_TO_PLACE} <= {AT_PLACE_KM}
        )
""")


def read(minutes: int, limit: int) -> dict[str, Any]:
    """``{trips, more}``: trips on the way whose phones report and whose trucks have stayed within 200 m for
    so long, away from the order's places; the longest without a step first.
    """
    with db.reads() as connection:
        rows = connection.execute(STANDING, {"minutes": minutes, "look_at": TRIPS_LOOKED_AT}).all()
    since = clock.now() - HEARD_WITHIN
    standing = [
        (row, sign)
        for row, sign in zip(rows, signs(rows), strict=True)
        if (last := heard(row, sign)) and last >= since
    ]
    standing.sort(key=lambda found: found[0].progressed_at)
    return {"trips": [found_trip(*found) for found in standing[:limit]], "more": len(standing) > limit}
