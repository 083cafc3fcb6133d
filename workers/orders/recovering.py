"""Finds admissions that were not placed: a queued task can be lost, a committed row cannot."""

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import text

from models import db
from workers.orders.admitting import ANSWERED_QUEUED

log = structlog.get_logger()

# Long enough for the queue to be first when all is well, short enough to stay under the 5 s in
# which the system recovers.
OVERDUE_SECONDS = 2
# A row that fails so often fails for a reason of its own.
MAXIMUM_ATTEMPTS = 5

# Each failure doubles the pause, so that a short outage cannot use up all tries.
OVERDUE = text("""
    SELECT order_id, request_id FROM admissions
    WHERE state = 'queued' AND created_at <= coalesce(:now, now()) - :age * interval '1 second'
        AND created_at <= coalesce(:now, now()) - :age * power(2, attempts) * interval '1 second'
    ORDER BY created_at LIMIT :limit
""")

# Counted before the try, so that a row that kills its worker is counted too. A locked row is being placed; to
# wait for a worker that was stopped meanwhile would delay every sweep.
COUNT_ATTEMPT = text("""
    UPDATE admissions SET attempts = attempts + 1
    WHERE order_id = (
        SELECT order_id FROM admissions WHERE order_id = :order_id AND (state = 'queued') IS TRUE
        FOR UPDATE SKIP LOCKED
    )
    RETURNING attempts
""")

# Rows that were never tried; counted before the try for the same reason.
COUNT_FIRST = text("""
    UPDATE admissions SET attempts = 1
    WHERE order_id IN (
        SELECT order_id FROM admissions
        WHERE order_id = ANY(CAST(:ids AS uuid[])) AND (state = 'queued' AND attempts = 0) IS TRUE
        FOR UPDATE SKIP LOCKED
    )
    RETURNING order_id
""")

NO_FAILURE = text("""
    UPDATE admissions SET attempts = attempts - 1
    WHERE order_id = :order_id AND (state = 'queued' AND attempts > 0) IS TRUE
""")

BURY = text(f"""
    UPDATE admissions SET state = 'dead', rejection = 'INTERNAL_ERROR', decided_at = coalesce(:now, now()),
        {ANSWERED_QUEUED}
    WHERE order_id = :order_id AND (state = 'queued' AND attempts > :maximum) IS TRUE
""")


def overdue(now: datetime | None = None, limit: int = 100) -> list[tuple[str, str]]:
    """Ids of orders and requests that should have been placed by now, in the order of arrival."""
    with db.statements() as connection:
        rows = connection.execute(OVERDUE, {"now": now, "age": OVERDUE_SECONDS, "limit": limit})
        return [(str(row.order_id), row.request_id) for row in rows]


def may_try(order_id: str, now: datetime | None = None) -> bool:
    """Counts a try; false if the row is decided or in work, or has failed too often and is now dead."""
    with db.statements() as connection:
        attempts = connection.execute(COUNT_ATTEMPT, {"order_id": order_id}).scalar_one_or_none()
        if attempts is None:
            return False
        buried = connection.execute(
            BURY, {"order_id": order_id, "maximum": MAXIMUM_ATTEMPTS, "now": now}
        ).rowcount
    if buried:
        log.error("admission dead", order_id=order_id, attempts=attempts - 1)
    return not buried


def first_tries(order_ids: Sequence[str]) -> list[str]:
    """Those that were never tried, which may be placed together; counts the try.

    One that has failed is tried alone: it may have killed its worker, and the others with it.
    """
    with db.statements() as connection:
        return [
            str(order_id) for order_id in connection.execute(COUNT_FIRST, {"ids": list(order_ids)}).scalars()
        ]


def forgive(order_id: str) -> None:
    """Takes back a try that failed for no fault of the row's (a lock held, a store away)."""
    with db.statements() as connection:
        connection.execute(NO_FAILURE, {"order_id": order_id})
