"""Erases a person everywhere, in the caller's process: the answer means that it is done."""

from collections.abc import Sequence

import structlog

from models import clock, messages
from models.errors import PersonActive
from models.live import driver_index, forgetting
from workers import erasing
from workers.drivers import locating, registering

log = structlog.get_logger()


def erase_customer(customer_id: str, reason: str, operator: str) -> None:
    """Raises ``PersonActive``, and ``redis.RedisError``: then it is to be asked for again."""
    found = erasing.customer(customer_id, reason, operator)
    forgetting.answers(customer_id, found.keys)
    forgetting.orders(found.orders)
    forgetting.mailboxes([messages.customer(customer_id)])
    forgetting.messages([messages.driver(driver_id) for driver_id in found.others], found.orders)
    log.info("person erased", role="customer", person_id=customer_id, operator=operator)


def erase_driver(driver_id: str, reason: str, operator: str) -> None:
    """The same for a driver. Raises ``DriverNotRegistered`` too."""
    if not erase_drivers([driver_id], reason, operator):
        registering.read(driver_id)
        raise PersonActive


def erase_drivers(driver_ids: Sequence[str], reason: str, operator: str) -> list[str]:
    """Erases up to a hundred drivers together; which of them. The others are not registered or at work."""
    found = erasing.drivers(driver_ids, reason, operator)
    # Out of the index, which the drivers' keys lead to.
    locating.refresh(found.erased, clock.now_ms())
    driver_index.forget(found.erased)
    forgetting.orders(found.orders)
    forgetting.mailboxes([messages.driver(driver_id) for driver_id in found.erased])
    forgetting.messages(
        [messages.customer(customer_id) for customer_id in found.others],
        [f'"{driver_id}"' for driver_id in found.erased],
    )
    for driver_id in found.erased:
        log.info("person erased", role="driver", person_id=driver_id, operator=operator)
    return found.erased
