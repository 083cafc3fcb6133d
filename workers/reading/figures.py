"""The state of the whole in figures, right in every process and after every restart.

Scrapes and open consoles ask every second, so no figure may read more the longer the product runs: each is
counted up to `MOST`, and drivers, of whom there may be any number, in pages and seldom.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from sqlalchemy import Connection, Row, TextClause, text

from models import clock, db, settings
from models.failed_rows import BATCHES
from models.live import driver_index, figures
from models.live.figures import Counts
from models.tables import admissions
from models.tables.orders import LOADED, RUNNING

# busy: on the way to a pickup. on_trip: with a load. unavailable: does not want work. Of those who
# do, silent are the ones who would not be asked since they have not been heard of lately.
DRIVER_STATES = ("available", "busy", "on_trip", "silent", "unavailable")
SEARCHING_STATES = ("active", "partially_filled", "in_progress")

# More than ten minutes' orders of the fastest system measured; counting as many takes some 10 ms.
MOST = 50_000


def counted(name: str, rows: str) -> str:
    """The SQL of a name and of how many rows there are, counted up to `MOST`."""
    return f"SELECT '{name}' AS name, count(*) AS number FROM (SELECT FROM {rows} LIMIT {MOST}) AS counted"


def counted_each(rows: dict[str, str]) -> TextClause:
    """The same for several names, each with its rows."""
    return text(" UNION ALL ".join(counted(name, sql) for name, sql in rows.items()))


# Counting the placed ones too would read all that is kept for 72 h, every second that a console is open.
ADMISSIONS_WATCHED = counted_each(
    {
        state: f"admissions WHERE state = '{state}' AND order_id > '00000000-0000-0000-0000-000000000000'"
        for state in admissions.WATCHED
    }
)
SEARCHING_BY_STATUS = text(f"""
    SELECT status AS name, count(*) AS number
    FROM (SELECT status FROM orders WHERE searching AND customer_id > '' LIMIT {MOST}) AS counted
    GROUP BY status
""")
OPEN_OFFERS = text(counted("open", "offers WHERE state = 'open' AND driver_id > ''"))
FAILED = text("SELECT batch, count(*) FROM failed_rows GROUP BY batch")
OUTBOX = text(f"""
    SELECT count(*) AS waiting,
        coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds
    FROM (
        SELECT created_at FROM outbox WHERE created_at > '-infinity' ORDER BY created_at LIMIT {MOST}
    ) AS counted
""")

# Drivers, or trips with their drivers, in one statement, which takes some 10 ms.
PAGE, TRIPS_PAGE = 10_000, 2_000
# A word from a driver, where the driver index is away: the last position that was saved.
FRESH = "last_position_at > now() - :presence * interval '1 second'"
DRIVERS = text(f"""
    SELECT count(*) AS read, max(id) AS last, count(*) FILTER (WHERE available) AS available,
        count(*) FILTER (WHERE available AND {FRESH}) AS fresh
    FROM (
        SELECT id, available, last_position_at FROM drivers WHERE id > :after ORDER BY id LIMIT :limit
    ) AS page
""")
TRIPS = text(f"""
    SELECT count(*) AS read, max(driver_id) AS last, count(*) FILTER (WHERE status IN {LOADED}) AS on_trip,
        count(*) FILTER (WHERE available) AS available, count(*) FILTER (WHERE available AND {FRESH}) AS fresh
    FROM (
        SELECT driver_id, status FROM truck_requests WHERE status IN {RUNNING} AND driver_id > :after
        ORDER BY driver_id LIMIT :limit
    ) AS page, LATERAL (
        SELECT available, last_position_at FROM drivers WHERE id = page.driver_id OFFSET 0
    ) AS driver
""")


@dataclass(frozen=True)
class OrderFigures:
    """What Postgres says of this moment; every state is there, with 0 where nothing is in it."""

    admissions: dict[str, int]
    searching: dict[str, int]
    drivers: dict[str, int]
    open_offers: int
    outbox_waiting: int
    outbox_oldest_seconds: float
    failed_rows: dict[str, int]


def heard() -> int | None:
    """How many drivers would be asked now; ``None`` without the driver index."""
    try:
        return driver_index.count_heard(since_ms())
    except redis.RedisError:
        return None


def since_ms() -> int:
    """A driver whose last sign of life is before this is silent (ms since 1970)."""
    return clock.now_ms() - settings.load().driver_presence_seconds * 1000


def figures_of(heard: int | None) -> OrderFigures:
    """``heard`` is how many drivers were heard of within the presence time, as the driver index says.

    ``None`` if it is away: then the last saved position of a driver counts for a word from them.
    """
    drivers = drivers_by_state(heard)
    with db.reads() as connection:
        return figures_on(connection, drivers)


def figures_on(connection: Connection, drivers: dict[str, int]) -> OrderFigures:
    """The same on a connection that is at hand, with the drivers by state."""
    outbox = connection.execute(OUTBOX).one()
    return OrderFigures(
        counts(connection.execute(ADMISSIONS_WATCHED).all(), admissions.WATCHED),
        counts(connection.execute(SEARCHING_BY_STATUS).all(), SEARCHING_STATES),
        drivers,
        connection.execute(OPEN_OFFERS).one().number,
        outbox.waiting,
        outbox.oldest_seconds,
        counts(connection.execute(FAILED).all(), BATCHES),
    )


def drivers_by_state(heard: int | None) -> dict[str, int]:
    """From the counts and from how many of them are heard. Not to be called with a connection in hand: it
    takes one of its own, and there are few.
    """
    counted = figures.kept("drivers", _count_drivers)
    free = counted["available"] - counted["available_on_trips"]
    present = min(free, counted["fresh"] - counted["fresh_on_trips"] if heard is None else heard)
    return {
        "available": present,
        "busy": counted["trips"] - counted["on_trip"],
        "on_trip": counted["on_trip"],
        "silent": free - present,
        "unavailable": counted["drivers"] - counted["trips"] - free,
    }


def _count_drivers() -> Counts:
    found = dict.fromkeys(
        ("drivers", "available", "fresh", "trips", "on_trip", "available_on_trips", "fresh_on_trips"), 0
    )
    with db.reads() as connection:
        for page in _pages(connection, DRIVERS, PAGE):
            found["drivers"] += page.read
            found["available"] += page.available
            found["fresh"] += page.fresh
        for page in _pages(connection, TRIPS, TRIPS_PAGE):
            found["trips"] += page.read
            found["on_trip"] += page.on_trip
            found["available_on_trips"] += page.available
            found["fresh_on_trips"] += page.fresh
    return found


def _pages(connection: Connection, statement: TextClause, size: int) -> Iterable[Row[Any]]:
    after, presence = "", settings.load().driver_presence_seconds
    while True:
        page = connection.execute(statement, {"after": after, "limit": size, "presence": presence}).one()
        yield page
        if page.read < size:
            return
        after = page.last


def counts(rows: Sequence[Row[Any]], states: Sequence[str]) -> dict[str, int]:
    """The count of each state, from rows of a state and a count."""
    found = dict(tuple(row) for row in rows)
    return {state: found.get(state, 0) for state in states}
