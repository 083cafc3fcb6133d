"""Sends how many trucks of a kind are still missing, at most every half a second.

A hint, not a promise: it is computed when it is sent and never stored. It is lost with Redis or with the
process that was about to send it, until the next change. A socket that connects gets the present number in
its `connected`.
"""

import threading
import time
from collections.abc import Callable

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from models import clock, live
from models.live import mailbox
from workers.offers import announcing

log = structlog.get_logger()

INTERVAL_SECONDS = 0.5
# How long no other process sends it if the one that was about to has died.
MARK_SECONDS = 5


def mark(pipeline: live.Pipeline, order_id: str, vehicle: str) -> Callable[[], None]:
    """Adds to a pipeline that the number has changed; the result is to be called after its execution."""
    key = f"remaining:{order_id}:{vehicle}"
    answers = pipeline.add([("INCR", key), ("EXPIRE", key, MARK_SECONDS, "NX")])

    def start() -> None:
        changes, _ = answers()
        # The first to mark sends it for all who mark meanwhile, in any process.
        if changes == 1:
            threading.Thread(
                target=_send, args=(key, order_id, vehicle), name="remaining", daemon=True
            ).start()

    return start


def _send(key: str, order_id: str, vehicle: str) -> None:
    """Sends the number until it includes every change."""
    try:
        while True:
            time.sleep(INTERVAL_SECONDS)
            # Changes are marked after their commit, so the next read includes these.
            marked = live.commands().get(key)
            if marked is None:
                # Redis was emptied.
                return
            mailbox.pass_on(announcing.remaining(order_id, vehicle), clock.now())
            left, _ = live.run_all([("DECRBY", key, str(marked)), ("EXPIRE", key, MARK_SECONDS)])
            if left <= 0:
                return
    except (redis.RedisError, SQLAlchemyError) as error:
        log.warning("remaining trucks not sent", order_id=order_id, error=type(error).__name__)
