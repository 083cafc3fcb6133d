"""Finds admissions that nobody placed: a queued task may be lost, a committed row may not."""

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import text

from models import db
from workers.admitting import ANSWERED_QUEUED

log = structlog.get_logger()

# Long enough for the queue to be first when all is well, short enough to stay under the 5 s in
# which the system recovers.
OVERDUE_SECONDS = 2
# A row that fails as often as this fails for a reason of its own.
MAXIMUM_ATTEMPTS = 5

# Each failure doubles the pause, so that a short trouble of ours cannot use up all tries.
OVERDUE = text("""
    SELECT order_id, request_id FROM admissions
    WHERE state = 'queued' AND created_at <= coalesce(:now, now()) - :age * interval '1 second'
        AND created_at <= coalesce(:now, now()) - :age * power(2, attempts) * interval '1 second'
    ORDER BY created_at LIMIT :limit
""")

# Counted before the try, so that a row that kills its worker is counted too. Whoever holds the row is placing
# it; to wait for one that was stopped in the middle would hold up every sweep.
COUNT_ATTEMPT = text("""
    UPDATE admissions SET attempts = attempts + 1
    WHERE order_id = (
        SELECT order_id FROM admissions WHERE order_id = :order_id AND (state = 'queued') IS TRUE
        FOR UPDATE SKIP LOCKED
    )
    RETURNING attempts
""")

# Of rows that nobody has tried yet; counted before the try for the same reason.
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
    """Ids of order and request of what should have been placed by now, in the order of arrival."""
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
    """Those of them that were never tried, which may be tried together; counts the try.

    What has failed once is tried alone: it may be what ended its worker, and the others with it.
    """
    with db.statements() as connection:
        return [str(one) for one in connection.execute(COUNT_FIRST, {"ids": list(order_ids)}).scalars()]


def forgive(order_id: str) -> None:
    """Takes a try back that failed through no fault of the row's (a lock held, a store away)."""
    with db.statements() as connection:
        connection.execute(NO_FAILURE, {"order_id": order_id})
