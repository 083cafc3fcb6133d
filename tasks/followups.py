"""What follows a commit: caches dropped, people told, the driver index brought up to date.

Called at once by whoever committed, and by the sweep for whoever died before it got here; doing it
twice is harmless.
"""

import time
from datetime import UTC, datetime

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from models import db, outbox
from models.live import mailbox, order_cache
from models.outbox import Followup
from workers import locating

log = structlog.get_logger()

# The committing process is usually done within milliseconds; what is older was left by a dead one.
OVERDUE_SECONDS = 2


def follow(followup: Followup | None) -> None:
    """Does what follows; what fails stays in the outbox for the sweep."""
    if followup is None:
        return
    try:
        _do(followup)
        with db.statements() as connection:
            outbox.done(connection, [followup.id])
    except (redis.RedisError, SQLAlchemyError) as error:
        log.warning("follow-up left to the sweep", order_id=followup.order_id, error=type(error).__name__)


def _do(followup: Followup) -> None:
    order_cache.drop(followup.order_id)
    if followup.changed_drivers:
        locating.refresh(followup.changed_drivers, int(time.time() * 1000))
    if followup.messages:
        mailbox.put(followup.messages, datetime.now(UTC))


def deliver_overdue(limit: int = 200) -> int:
    """Finishes what others left; how many."""
    with db.statements() as connection:
        left = outbox.overdue(connection, OVERDUE_SECONDS, limit)
    for followup in left:
        follow(followup)
    return len(left)
