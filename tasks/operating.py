"""Operators' actions on an order, in the caller's process: the answer means that they are done."""

import redis
import structlog

from tasks.followups import follow
from workers.offers import waves
from workers.orders import expiring

log = structlog.get_logger()


def expire(order_id: str, operator: str) -> bool:
    """Ends an order's search now; false if the search is over."""
    followup = expiring.end_now(order_id, operator)
    follow(followup)
    log.info("search ended by operator", order_id=order_id, operator=operator, done=followup is not None)
    return followup is not None


def rebroadcast(order_id: str, operator: str) -> bool:
    """Sends the next wave now; false if the search is over or a wave was sent a moment ago."""
    if not waves.hasten(order_id, operator):
        return False
    log.info("wave ordered by operator", order_id=order_id, operator=operator)
    try:
        follow(waves.next_wave(order_id))
    except redis.RedisError:
        log.warning("no driver index; the wave is left to the sweep", order_id=order_id)
    return True
