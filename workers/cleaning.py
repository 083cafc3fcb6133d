"""The safety net, every two minutes: what no other sweep is for."""

from datetime import datetime

from sqlalchemy import text

from models import clock, db, settings
from models.live import driver_index

# Short enough to be done well under a statement's 5 s.
BATCH = 1000

FORGET_ADMISSIONS = text("""
    DELETE FROM admissions WHERE order_id = ANY(ARRAY(
        SELECT order_id FROM admissions
        WHERE created_at < coalesce(:now, now()) - :hours * interval '1 hour' AND state <> 'queued'
        ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
""")


def forget_admissions(now: datetime | None = None) -> int:
    """Deletes decided admissions past IDEMPOTENCY_RETENTION_HOURS; how many."""
    hours = settings.load().idempotency_retention_hours
    with db.statements() as connection:
        return connection.execute(FORGET_ADMISSIONS, {"now": now, "hours": hours, "limit": BATCH}).rowcount


def drop_silent_drivers() -> int:
    """Takes drivers out of the index who have been silent for DRIVER_PRESENCE_SECONDS; how many."""
    presence_ms = settings.load().driver_presence_seconds * 1000
    return driver_index.sweep(clock.now_ms() - presence_ms)
