"""Operators' acts, in the caller's process: the answer means that they are done."""

import redis
import structlog

from models.live import order_lock
from models.outbox import Followup
from tasks.drivers import follow_change
from tasks.followups import follow
from workers.offers import waves
from workers.operating import drivers, handing_over, orders, trips
from workers.operating.held import TripAct
from workers.orders import expiring
from workers.reading import current

log = structlog.get_logger()

DEEDS = {"complete": trips.complete, "close": trips.close, "take-off": trips.take_off}


def expire(order_id: str, operator: str) -> bool:
    """Ends an order's search now; false if the search is over."""
    followup = expiring.end_now(order_id, operator)
    return _done(followup, "search ended by operator", order_id=order_id, operator=operator)


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


def cancel(order_id: str, operator: str, reason: str) -> bool:
    """Cancels an order at any stage; false if it was cancelled.

    Raises ``OrderNotFound`` and ``OrderNotCancellable``.
    """
    customer_id = current.order(order_id)["order"]["customerId"]
    followup = orders.cancel(order_id, operator, reason)
    # As after the customer's own cancel: they can order again at once.
    order_lock.release_quietly(customer_id, order_id)
    return _done(followup, "order cancelled by operator", order_id=order_id, operator=operator)


def extend(order_id: str, operator: str, reason: str) -> bool:
    """Gives a search 60 s more; false if it is over or has more than that left."""
    followup = orders.extend(order_id, operator, reason)
    return _done(followup, "search extended by operator", order_id=order_id, operator=operator)


def on_trip(deed: str, act: TripAct) -> bool:
    """Does one of ``DEEDS`` to a trip; false if it was done. Raises what the deed raises."""
    name = {"truck_request_id": act.truck_request_id, "operator": act.operator}
    return _done(DEEDS[deed](act), f"trip by operator: {deed}", **name)


def hand_over(act: TripAct, driver_id: str) -> bool:
    """Gives a trip to another driver; false if it is theirs. Raises what `handing_over` raises."""
    name = {"truck_request_id": act.truck_request_id, "operator": act.operator}
    return _done(handing_over.hand_over(act, driver_id), "trip handed over by operator", **name)


def put_off_duty(driver_id: str, operator: str, reason: str) -> bool:
    """Closes a driver for offers; false if they are. Raises ``DriverNotRegistered``."""
    followup = drivers.put_off_duty(driver_id, operator, reason)
    follow_change(driver_id)
    return _done(followup, "driver off duty by operator", driver_id=driver_id, operator=operator)


def _done(followup: Followup | None, event: str, **names: str) -> bool:
    follow(followup)
    log.info(event, done=followup is not None, **names)
    return followup is not None
