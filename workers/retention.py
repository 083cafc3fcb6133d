"""Deletes what is older than RETENTION_DAYS: orders with all that belongs to them, and drivers.

Only orders that have ended, so no lock is held that a present order waits for. A row that somebody holds
is left for the next run.
"""

import time
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from models import clock, db, settings

# Some 20 ms each.
BATCH = 100
DRIVERS = 500
# Of each second: one worker does all sweeps.
SECONDS = 0.15

ENDED = ("completed", "cancelled", "expired")
FORGET_ORDERS = text("""
    WITH past AS MATERIALIZED (
        SELECT id FROM orders WHERE status = :status AND id < CAST(:before AS uuid)
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), trucks AS MATERIALIZED (
        SELECT id FROM truck_requests WHERE order_id = ANY(ARRAY(SELECT id FROM past))
    ), without_tracks AS (
        DELETE FROM track_parts WHERE truck_request_id = ANY(ARRAY(SELECT id FROM trucks))
    ), without_offers AS (
        DELETE FROM offers WHERE order_id = ANY(ARRAY(SELECT id FROM past))
    ), without_trucks AS (
        DELETE FROM truck_requests WHERE order_id = ANY(ARRAY(SELECT id FROM past))
    )
    DELETE FROM orders WHERE id = ANY(ARRAY(SELECT id FROM past)) RETURNING id
""")
FORGET_EVENTS = text("SELECT forget_events(CAST(:ids AS uuid[]))")
# Drivers without a sign of life since then, and without anything that refers to them.
FORGET_DRIVERS = text("""
    WITH page AS MATERIALIZED (
        SELECT id FROM drivers WHERE id > :after ORDER BY id LIMIT :limit
    ), gone AS (
        DELETE FROM drivers d USING page WHERE d.id = page.id
            AND greatest(d.updated_at, d.last_position_at) < :before
            AND NOT EXISTS (SELECT FROM offers WHERE driver_id = d.id)
            AND NOT EXISTS (SELECT FROM truck_requests WHERE driver_id = d.id)
        RETURNING d.id
    )
    SELECT count(*) AS seen, max(page.id) AS last, (SELECT count(*) FROM gone) AS gone FROM page
""")


class _Round:
    """Where the next page of drivers begins: they are looked at in turn, as no index has their last sign."""

    after = ""


def forget(now: datetime | None = None, seconds: float = SECONDS) -> int:
    """Deletes for so long; how many orders and drivers."""
    configured = settings.load()
    if not configured.retention_days:
        return 0
    # An order outlives its key, which would lead to nothing.
    kept = max(timedelta(configured.retention_days), timedelta(hours=configured.idempotency_retention_hours))
    before = (now or clock.now()) - kept
    until, total = time.monotonic() + seconds, 0
    for status in ENDED:
        more = True
        while more and time.monotonic() < until:
            done = _forget_orders(status, before)
            total, more = total + done, done == BATCH
    more = True
    while more and time.monotonic() < until:
        done, more = _forget_drivers(before)
        total += done
    return total


def _forget_orders(status: str, before: datetime) -> int:
    values = {"status": status, "before": str(_first_id(before)), "limit": BATCH}
    with db.transaction() as connection:
        ids = [str(row.id) for row in connection.execute(FORGET_ORDERS, values)]
        if ids:
            connection.execute(FORGET_EVENTS, {"ids": ids})
    return len(ids)


def _forget_drivers(before: datetime) -> tuple[int, bool]:
    """Looks at the next page; how many of it left, and whether there is another."""
    with db.statements() as connection:
        values = {"after": _Round.after, "before": before, "limit": DRIVERS}
        page = connection.execute(FORGET_DRIVERS, values).one()
    more = page.seen == DRIVERS
    _Round.after = page.last if more else ""
    return page.gone, more


def _first_id(moment: datetime) -> UUID:
    """The smallest UUIDv7 of this millisecond: ids are times, so that no index of times is needed."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
