"""Tells how many trucks of a kind are still missing, once in half a second at most.

A hint and no promise: it is made from the state at the time of sending and never stored. It is lost with
Redis or with the process that was about to send it; the next change is told then. A socket that connects
hears the present number in its `connected`.
"""

import threading
import time
from collections.abc import Callable

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from models import clock, live
from models.live import mailbox
from workers import announcing

log = structlog.get_logger()

INTERVAL_SECONDS = 0.5
# If the process dies that was to tell, nobody else does for so long.
MARK_SECONDS = 5


def mark(pipeline: live.Pipeline, order_id: str, vehicle: str) -> Callable[[], None]:
    """Adds to a pipeline that the number has changed; the result is to be called after its execution."""
    key = f"remaining:{order_id}:{vehicle}"
    answers = pipeline.add([("INCR", key), ("EXPIRE", key, MARK_SECONDS, "NX")])

    def begin() -> None:
        changes, _ = answers()
        # Whoever marks first tells for all who mark meanwhile, in whatever process.
        if changes == 1:
            threading.Thread(
                target=_tell, args=(key, order_id, vehicle), name="remaining", daemon=True
            ).start()

    return begin


def _tell(key: str, order_id: str, vehicle: str) -> None:
    """Sends the number until no change is left that it does not have."""
    try:
        while True:
            time.sleep(INTERVAL_SECONDS)
            # Changes are marked after their commit, so what is read next has all of these.
            told = live.commands().get(key)
            if told is None:
                # Redis was emptied.
                return
            mailbox.pass_on(announcing.remaining(order_id, vehicle), clock.now())
            left, _ = live.run_all([("DECRBY", key, str(told)), ("EXPIRE", key, MARK_SECONDS)])
            if left <= 0:
                return
    except (redis.RedisError, SQLAlchemyError) as error:
        log.warning("remaining trucks not told", order_id=order_id, error=type(error).__name__)
