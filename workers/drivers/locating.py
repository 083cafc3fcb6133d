"""Drivers' positions and presence. Their messages update the driver index; Postgres decides whether they
are in a search there.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, text

from models import db
from models.errors import DriverNotRegistered
from models.live import driver_index
from models.live.driver_index import NO_SEARCH, Moved, Placement, Position, Report, RunningTrip
from models.tables.orders import RUNNING
from workers import failing

# `statement_timestamp()` is before the statement's snapshot: a reading with a later time never saw less.
READ = text(f"""
    SELECT d.id, d.vehicle, last_latitude, last_longitude, last_position_at,
        available AND t.id IS NULL AS searchable, t.id AS truck_request_id, t.assigned_at, o.customer_id,
        CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS bigint) AS as_of_us
    FROM drivers d
    LEFT JOIN truck_requests t ON t.driver_id = d.id AND t.status IN {RUNNING}
    LEFT JOIN orders o ON o.id = t.order_id
    WHERE d.id = ANY(:ids)
""")
# Rows are locked in the order of their ids, so that two processes that save at once cannot deadlock.
SAVE = text("""
    WITH latest AS (
        SELECT id, latitude, longitude, least(to_timestamp(at_ms / 1000.0), now()) AS at
        FROM json_to_recordset(CAST(:latest AS json))
            AS given (id text, latitude double precision, longitude double precision, at_ms bigint)
    ), locked AS (
        SELECT id FROM drivers WHERE id = ANY(ARRAY(SELECT id FROM latest)) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE drivers SET last_latitude = latitude, last_longitude = longitude, last_position_at = latest.at
    FROM latest JOIN locked USING (id)
    WHERE drivers.id = latest.id
        AND (drivers.last_position_at IS NULL OR drivers.last_position_at < latest.at)
""")


def update(driver_id: str, position: Position, now_ms: int) -> Moved:
    """`update_all` for one. Raises ``DriverNotRegistered`` too."""
    (moved,) = update_all([(driver_id, position)], now_ms)
    if moved.outcome == "unknown":
        raise DriverNotRegistered
    return moved


def update_all(reports: Sequence[Report], now_ms: int) -> list[Moved]:
    """Updates drivers' positions; drivers that Redis has lost are read from Postgres.

    A driver whose outcome is "unknown" is not registered. Raises ``redis.RedisError``, and ``ValueError`` for
    invalid coordinates.
    """
    moves = driver_index.update_all(reports, now_ms)
    lost = [number for number, moved in enumerate(moves) if moved.outcome == "unknown"]
    found = _refreshed({reports[number][0] for number in lost}, now_ms)
    lost = [number for number in lost if reports[number][0] in found]
    again = driver_index.update_all([reports[number] for number in lost], now_ms)
    for number, moved in zip(lost, again, strict=True):
        # Lost again at this moment: the next position repeats it.
        moves[number] = moved if moved.outcome != "unknown" else Moved("kept_out")
    return moves


def heartbeat(driver_id: str, now_ms: int, last: Position | None) -> bool:
    """Records a sign of life; False if the driver is not registered. Raises ``redis.RedisError``.

    A driver that Redis has lost is put back from Postgres, or at ``last``, the last position of this
    connection, if that is newer.
    """
    if driver_index.heard(driver_id, now_ms):
        return True
    if not refresh([driver_id], now_ms, {driver_id: last} if last else {}):
        return False
    return driver_index.heard(driver_id, now_ms)


def refresh(driver_ids: Collection[str], now_ms: int, sent: Mapping[str, Position] | None = None) -> int:
    """Puts drivers into the index or out of it as Postgres says; how many are registered.

    Called after an accept, the end of a trip, a change of availability, a registration. ``sent`` are
    positions that may be newer than those in Postgres. It is no sign of life. Raises ``redis.RedisError``.
    """
    return len(_refreshed(driver_ids, now_ms, sent))


def _refreshed(
    driver_ids: Collection[str], now_ms: int, sent: Mapping[str, Position] | None = None
) -> set[str]:
    if not driver_ids:
        return set()
    with db.statements() as connection:
        rows = connection.execute(READ, {"ids": list(driver_ids)}).all()

    def place(part: Sequence[Row[Any]]) -> None:
        driver_index.place_all([_placement(row, now_ms, (sent or {}).get(row.id)) for row in part])

    for _ in failing.apart("refresh", rows, place, name=lambda row: str(row.id)):
        pass
    return {row.id for row in rows}


def _placement(row: Row[Any], now_ms: int, sent: Position | None) -> Placement:
    position = _newer(_saved(row), sent)
    search = row.vehicle if row.searchable else NO_SEARCH
    seen_ms = min(position.at_ms, now_ms) if position else 0
    return Placement(row.id, search, position, seen_ms, row.as_of_us, _trip(row))


def save(latest: Mapping[str, Position]) -> int:
    """Saves drivers' last positions in Postgres, never an older one; how many changed.

    A position ahead of the database's clock counts as of now.
    """
    if not latest:
        return 0
    rows = [
        {"id": driver_id, "latitude": at.latitude, "longitude": at.longitude, "at_ms": at.at_ms}
        for driver_id, at in latest.items()
    ]
    # One text: four arrays take psycopg2 several times as long, and block this process meanwhile.
    with db.statements() as connection:
        return connection.execute(SAVE, {"latest": orjson.dumps(rows).decode()}).rowcount


def _trip(row: Row[Any]) -> RunningTrip | None:
    if row.truck_request_id is None:
        return None
    since_ms = _milliseconds(row.assigned_at) if row.assigned_at else 0
    return RunningTrip(str(row.truck_request_id), row.customer_id, since_ms)


def _saved(row: Row[Any]) -> Position | None:
    if row.last_position_at is None:
        return None
    return Position(row.last_latitude, row.last_longitude, _milliseconds(row.last_position_at))


def _newer(saved: Position | None, sent: Position | None) -> Position | None:
    if saved is None or sent is None:
        return saved or sent
    return max(saved, sent, key=lambda position: position.at_ms)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
