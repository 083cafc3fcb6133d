"""The state of the whole in figures.

Everything is counted when it is asked for, so it is right in every process and after every restart.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from sqlalchemy import Connection, Row, text

from models import admissions, clock, db, settings
from models.live import driver_index
from models.orders import LOADED, RUNNING

# busy: on the way to a pickup. on_trip: with a load. unavailable: does not want work. Of those who
# do, silent are the ones who would not be asked since they have not been heard of lately.
DRIVER_STATES = ("available", "busy", "on_trip", "silent", "unavailable")
SEARCHING_STATES = ("active", "partially_filled", "in_progress")
DRIVERS = f"""
    SELECT d.id, d.vehicle_type, d.vehicle_subtype, d.last_latitude, d.last_longitude, d.last_position_at,
        CASE WHEN t.status IN {LOADED} THEN 'on_trip' WHEN t.status IS NOT NULL THEN 'busy'
            WHEN NOT d.available THEN 'unavailable'
            WHEN heard.id IS NOT NULL
                OR (:index_away AND d.last_position_at > now() - :presence * interval '1 second')
                THEN 'available'
            ELSE 'silent' END AS state
    FROM drivers d
    LEFT JOIN truck_requests t ON t.driver_id = d.id AND t.status IN {RUNNING}
    LEFT JOIN (SELECT DISTINCT unnest(CAST(:heard AS text[])) AS id) AS heard ON heard.id = d.id
"""
DRIVERS_BY_STATE = text(f"SELECT state, count(*) FROM ({DRIVERS}) AS driver GROUP BY state")
# Counting the placed ones too would read all that is kept for 72 h, every second that a console is open.
ADMISSIONS_WATCHED = text(
    f"SELECT state, count(*) FROM admissions WHERE state IN {admissions.WATCHED} GROUP BY state"
)
SEARCHING_BY_STATUS = text("SELECT status, count(*) FROM orders WHERE searching GROUP BY status")
OPEN_OFFERS = text("SELECT count(*) FROM offers WHERE state = 'open'")
OUTBOX = text("""
    SELECT count(*) AS waiting,
        coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds
    FROM outbox
""")


@dataclass(frozen=True)
class Figures:
    """What Postgres says of this moment; every state is there, with 0 where nothing is in it."""

    admissions: dict[str, int]
    searching: dict[str, int]
    drivers: dict[str, int]
    open_offers: int
    outbox_waiting: int
    outbox_oldest_seconds: float


def heard() -> list[str] | None:
    """The drivers who would be asked now; ``None`` without the driver index."""
    since = clock.now_ms() - settings.load().driver_presence_seconds * 1000
    try:
        return driver_index.heard_since(since)
    except redis.RedisError:
        return None


def figures(heard: Collection[str] | None) -> Figures:
    """``heard`` are the drivers heard of within the presence time, as the driver index says.

    ``None`` if it is away: then the last saved position of a driver counts for a word from him.
    """
    with db.statements() as connection:
        return figures_on(connection, heard)


def figures_on(connection: Connection, heard: Collection[str] | None) -> Figures:
    """The same on a connection that is at hand."""
    outbox = connection.execute(OUTBOX).one()
    return Figures(
        counts(connection.execute(ADMISSIONS_WATCHED).all(), admissions.WATCHED),
        counts(connection.execute(SEARCHING_BY_STATUS).all(), SEARCHING_STATES),
        counts(connection.execute(DRIVERS_BY_STATE, presence(heard)).all(), DRIVER_STATES),
        connection.execute(OPEN_OFFERS).scalar_one(),
        outbox.waiting,
        outbox.oldest_seconds,
    )


def presence(heard: Collection[str] | None) -> dict[str, Any]:
    """What ``DRIVERS`` has to know of who was heard of."""
    return {
        "heard": list(heard or ()),
        "index_away": heard is None,
        "presence": settings.load().driver_presence_seconds,
    }


def counts(rows: Sequence[Row[Any]], states: Sequence[str]) -> dict[str, int]:
    """The count of each state, from rows of a state and a count."""
    found = dict(tuple(row) for row in rows)
    return {state: found.get(state, 0) for state in states}
