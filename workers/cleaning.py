"""The safety net, every two minutes, and every ten seconds for what piles up fastest.

In batches of some ms each, until nothing is left or the time is over, since one worker does all sweeps.
"""

import random
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import text

from models import clock, db, settings
from models.live import driver_index
from models.tables.orders import PHONE_HOURS, PHONE_IS_KEPT

BATCH = 500
# Enough to delete ten times of what a hundred orders a second leave in the ten seconds between two runs.
FORGETTING_SECONDS = 0.3
# Enough for some 100,000 drivers; the next run continues where this one stopped.
DROPPING_SECONDS = 0.2

FORGET_ADMISSIONS = text("""
    DELETE FROM admissions WHERE order_id = ANY(ARRAY(
        SELECT order_id FROM admissions
        WHERE created_at < coalesce(:now, now()) - :hours * interval '1 hour' AND state <> 'queued'
        ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
""")


def forget_admissions(now: datetime | None = None) -> int:
    """Deletes decided admissions past IDEMPOTENCY_RETENTION_HOURS; how many."""
    values = {"now": now, "hours": settings.load().idempotency_retention_hours, "limit": BATCH}
    with db.statements() as connection:
        return _batches(
            lambda: connection.execute(FORGET_ADMISSIONS, values).rowcount, BATCH, FORGETTING_SECONDS
        )


def drop_silent_drivers() -> int:
    """Removes drivers silent for DRIVER_PRESENCE_SECONDS from the index; how many."""
    before = clock.now_ms() - settings.load().driver_presence_seconds * 1000
    silent = _batches(lambda: driver_index.sweep(before), driver_index.TOGETHER, DROPPING_SECONDS)
    return silent + _drop_lost_drivers(before)


def _drop_lost_drivers(before: int) -> int:
    """Members whose key was lost. In random order, so that each vehicle is reached at some time."""
    until, lost = time.monotonic() + DROPPING_SECONDS, 0
    vehicles = driver_index.vehicles()
    random.shuffle(vehicles)
    for vehicle in vehicles:
        ended = False
        while not ended:
            found, ended = driver_index.sweep_lost(vehicle, before)
            lost += found
            if time.monotonic() >= until:
                return lost
    return lost


def _batches(work: Callable[[], int], size: int, seconds: float) -> int:
    """Repeats it until a batch is not full or the time is over; the total."""
    until, total = time.monotonic() + seconds, 0
    while True:
        done = work()
        total += done
        if done < size or time.monotonic() >= until:
            return total


# Of trips that are over for long enough.
FORGET_PHONES = text(f"""
    UPDATE truck_requests SET driver_phone = NULL WHERE id = ANY(ARRAY(
        SELECT id FROM truck_requests
        WHERE {PHONE_IS_KEPT} AND updated_at < coalesce(:now, now()) - interval '{PHONE_HOURS} hours'
        ORDER BY updated_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
""")


def forget_phones(now: datetime | None = None) -> int:
    """Deletes drivers' phones from trips that ended PHONE_HOURS ago; how many."""
    values = {"now": now, "limit": BATCH}
    with db.statements() as connection:
        return _batches(lambda: connection.execute(FORGET_PHONES, values).rowcount, BATCH, FORGETTING_SECONDS)
