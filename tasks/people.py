"""Erases a person everywhere, in the caller's process: the answer means that it is done."""

import structlog

from models import clock, messages
from models.live import driver_index, forgetting
from workers import erasing
from workers.drivers import locating

log = structlog.get_logger()


def erase_customer(customer_id: str, reason: str, operator: str) -> None:
    """Raises ``PersonActive``, and ``redis.RedisError``: then it is to be asked for again."""
    found = erasing.customer(customer_id, reason, operator)
    forgetting.answers(customer_id, found.keys)
    forgetting.orders(found.orders)
    forgetting.mailbox(messages.customer(customer_id))
    forgetting.messages([messages.driver(driver_id) for driver_id in found.others], found.orders)
    log.info("person erased", role="customer", person_id=customer_id, operator=operator)


def erase_driver(driver_id: str, reason: str, operator: str) -> None:
    """The same for a driver."""
    found = erasing.driver(driver_id, reason, operator)
    # Out of the index, which the driver's key leads to.
    locating.refresh([driver_id], clock.now_ms())
    driver_index.forget(driver_id)
    forgetting.orders(found.orders)
    forgetting.mailbox(messages.driver(driver_id))
    forgetting.messages([messages.customer(customer_id) for customer_id in found.others], [f'"{driver_id}"'])
    log.info("person erased", role="driver", person_id=driver_id, operator=operator)
