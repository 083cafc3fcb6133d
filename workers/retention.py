"""Deletes what is older than RETENTION_DAYS: orders with all that belongs to them, drivers, and the notes of
operators.

Only orders that have ended, so no lock is held that a present order waits for. A row that somebody holds
is left for the next run. docs/decisions/0047-retention.md has each table and what ends its rows.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import text

from models import clock, db, settings
from models.keyset import LEAST_ID, first_id

# Some 20 ms each.
BATCH = 100
PAGE = 500
# Of each second: one worker does all sweeps.
SECONDS = 0.05
# Between two looks at all drivers: 300,000 take a second of a core.
PAUSE = timedelta(hours=1)

ENDED = ("completed", "cancelled", "expired")
# Compared as rows, so that the index of the status serves it: by the primary key each batch would read all
# older orders of the other statuses.
FORGET_ORDERS = text("""
    WITH past AS MATERIALIZED (
        SELECT id FROM orders
        WHERE (status, id) > (:status, CAST(:after AS uuid))
            AND (status, id) < (:status, CAST(:before AS uuid))
        ORDER BY status, id LIMIT :limit FOR UPDATE SKIP LOCKED
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
FORGET_NOTES = text("SELECT forget_notes(:before, :limit)")
# What could not be delivered for so long concerns nobody.
FORGET_FOLLOWUPS = text("""
    DELETE FROM outbox WHERE id = ANY(ARRAY(
        SELECT id FROM outbox WHERE created_at < :before ORDER BY created_at LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ))
""")
# Drivers without a sign of life since then, and without anything that refers to them: ``OFFSET 0`` has each
# looked up by an index, and the array has the page looked up and not joined.
FORGET_DRIVERS = text("""
    WITH page AS MATERIALIZED (
        SELECT id FROM drivers WHERE id > :after ORDER BY id LIMIT :limit
    ), gone AS (
        DELETE FROM drivers d WHERE d.id = ANY(ARRAY(SELECT id FROM page))
            AND greatest(d.updated_at, d.last_position_at) < :before
            AND NOT EXISTS (SELECT FROM offers WHERE driver_id = d.id OFFSET 0)
            AND NOT EXISTS (SELECT FROM truck_requests WHERE driver_id = d.id OFFSET 0)
        RETURNING d.id
    )
    SELECT count(*) AS seen, max(page.id) AS last, (SELECT count(*) FROM gone) AS gone FROM page
""")
# An operator may cancel what was never placed: the event is then of no order. (EXISTS could read all orders
# into a hash table.)
AUDITED = text("""
    SELECT order_id, (SELECT o.id FROM orders o WHERE o.id = order_id) IS NOT NULL AS placed FROM order_events
    WHERE order_id > CAST(:after AS uuid) AND order_id < CAST(:before AS uuid) ORDER BY order_id LIMIT :limit
""")


class Round:
    """Drivers and events of no order are looked through page by page, as no index has what is to leave."""

    pages: Iterator[int] | None = None
    ended: datetime | None = None


def forget(now: datetime | None = None, seconds: float = SECONDS) -> int:
    """Deletes for so long, and at least a batch of each status; how many orders, drivers and notes."""
    configured = settings.load()
    if not configured.retention_days:
        return 0
    # An order outlives its key, which would lead to nothing.
    kept = max(timedelta(configured.retention_days), timedelta(hours=configured.idempotency_retention_hours))
    before = (now or clock.now()) - kept
    until, total, left = time.monotonic() + seconds, _forget_notes(before), False
    for status in ENDED:
        after: str | None = LEAST_ID
        while after:
            done, after = _forget_orders(status, before, after)
            total += done
            if time.monotonic() >= until:
                break
        left = left or after is not None
    # Drivers stay as long as their orders: a round that began before would come too early.
    return total if left else total + _look_through(before, until)


def _forget_notes(before: datetime) -> int:
    values = {"before": before, "limit": BATCH}
    with db.statements() as connection:
        connection.execute(FORGET_FOLLOWUPS, values)
        return int(connection.execute(FORGET_NOTES, values).scalar_one())


def _forget_orders(status: str, before: datetime, after: str) -> tuple[int, str | None]:
    """How many, and after which order the next batch begins: the index has what was deleted for a while."""
    # Ids are times, so that no index of times is needed.
    values = {"status": status, "after": after, "before": first_id(before), "limit": BATCH}
    with db.transaction() as connection:
        ids = [str(row.id) for row in connection.execute(FORGET_ORDERS, values)]
        if ids:
            connection.execute(FORGET_EVENTS, {"ids": ids})
    return len(ids), max(ids) if len(ids) == BATCH else None


def _look_through(before: datetime, until: float) -> int:
    """Continues the round, or begins one if the last was a while ago; how many left."""
    if Round.pages is None:
        if Round.ended and abs(before - Round.ended) < PAUSE:
            return 0
        Round.pages = _pages(before)
    total = 0
    for gone in Round.pages:
        total += gone
        if time.monotonic() >= until:
            return total
    Round.pages, Round.ended = None, before
    return total


def _pages(before: datetime) -> Iterator[int]:
    """Deletes a page at a time; how many of each."""
    after: str | None = ""
    while after is not None:
        gone, after = _forget_drivers(before, after)
        yield gone
    after = LEAST_ID
    while after is not None:
        gone, after = _forget_lone_events(before, after)
        yield gone


def _forget_drivers(before: datetime, after: str) -> tuple[int, str | None]:
    """How many of the page left, and where the next one begins."""
    with db.statements() as connection:
        page = connection.execute(FORGET_DRIVERS, {"after": after, "before": before, "limit": PAGE}).one()
    return page.gone, page.last if page.seen == PAGE else None


def _forget_lone_events(before: datetime, after: str) -> tuple[int, str | None]:
    """The same for events: of how many orders."""
    with db.statements() as connection:
        values = {"after": after, "before": first_id(before), "limit": PAGE}
        page = connection.execute(AUDITED, values).all()
        lone = {str(row.order_id) for row in page if not row.placed}
        if lone:
            connection.execute(FORGET_EVENTS, {"ids": sorted(lone)})
    return len(lone), str(page[-1].order_id) if len(page) == PAGE else None
