"""The last hour of the figures above the operators' map: a sample for each minute, kept in Redis.

A Redis that is emptied leaves a gap in the lines of the console; nothing else reads them.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import text

from models import clock, db
from models.live import figures
from models.live.figures import Counts
from models.messages import iso
from workers.reading.figures import MOST, figures_on
from workers.reading.minutes import MINUTE, REMEMBERED_SECONDS, ByMinute
from workers.reading.operators import counters

MINUTES = 60

# Trucks that were asked for and trucks that were taken, of the orders whose search is over. Read by the ids
# of orders, which begin with their time.
TRUCKS = text(f"""
    WITH counted AS (
        SELECT total_trucks, trucks_filled, searching FROM orders
        WHERE id >= :first_id AND id < :last_id LIMIT {MOST}
    )
    SELECT 'asked' AS name, coalesce(sum(total_trucks) FILTER (WHERE NOT searching), 0) AS number FROM counted
    UNION ALL SELECT 'taken', coalesce(sum(trucks_filled) FILTER (WHERE NOT searching), 0) FROM counted
""")
# A search takes a minute and may be extended; what changes later is not seen.
TRUCKS_BY_MINUTE = ByMinute("trucks", TRUCKS, ("asked", "taken"), closed_seconds=300)


def sample() -> None:
    """Keeps the figures of this moment as those of this minute; a later sample of the minute replaces it."""
    with db.reads() as connection:
        now = counters(connection, figures_on(connection, {}))
        trucks = TRUCKS_BY_MINUTE.of_last_hour(connection, None)
    figures.remember({_name(clock.now()): _sample(now, trucks)}, REMEMBERED_SECONDS)


def _sample(now: dict[str, Any], trucks: Counts) -> Counts:
    seconds = {"p50Ms": now["firstOffer"]["p50Seconds"], "p99Ms": now["firstOffer"]["p99Seconds"]}
    return {
        "searching": now["searching"],
        "fullyFilled": now["fullyFilled"],
        "inProgress": now["inProgress"],
        "expired": now["lastHour"]["expired"],
        "ordersPerMinute": now["ordersPerMinute"],
        "trucksAsked": trucks["asked"],
        "trucksTaken": trucks["taken"],
    } | {name: round(value * 1000) for name, value in seconds.items() if value is not None}


def hour(now: datetime | None = None) -> dict[str, Any]:
    """``{trucksAsked, trucksTaken, minutes}``: of the last hour, and the samples there are, oldest first."""
    moment = now or clock.now()
    minutes = [moment - ago * MINUTE for ago in range(MINUTES, -1, -1)]
    samples = zip(minutes, figures.recall([_name(minute) for minute in minutes]), strict=True)
    with db.reads() as connection:
        trucks = TRUCKS_BY_MINUTE.of_last_hour(connection, now)
    return {
        "trucksAsked": trucks["asked"],
        "trucksTaken": trucks["taken"],
        "minutes": [
            {"at": iso(_begin(minute)), "p50Ms": None, "p99Ms": None} | counted
            for minute, counted in samples
            if counted
        ],
    }


def _begin(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _name(moment: datetime) -> str:
    return f"sample:{_begin(moment):%Y-%m-%dT%H:%M}"
