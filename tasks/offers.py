"""Accepting and declining, in the caller's process.

Not queued: a queued accept can be lost with its worker, and the driver would get no answer. The decision is
one short transaction in Postgres, wherever it runs.
"""

from typing import Any

import redis
import structlog

from models import messages
from models.live import mailbox
from tasks.followups import follow
from workers.offers import accepting

log = structlog.get_logger()


def accept(driver_id: str, order_id: str, truck_request_id: str | None = None) -> dict[str, Any]:
    """Takes a truck for this driver: ``{orderId, truckRequestId, result, trip}``.

    Raises the errors of ``workers.offers.accepting.accept``.
    """
    won = accepting.accept(driver_id, order_id, truck_request_id)
    follow(won.followup)
    log.info("truck assigned", order_id=order_id, driver_id=driver_id, again=won.followup is None)
    return {
        "orderId": order_id,
        "truckRequestId": won.trip["truckRequestId"],
        "result": "accepted",
        "trip": won.trip,
    }


def decline(driver_id: str, order_id: str) -> dict[str, Any]:
    """Closes the driver's offer: ``{orderId, result}``. Raises ``NotOffered`` and the like."""
    ended = accepting.decline(driver_id, order_id)
    try:
        mailbox.end(messages.driver(driver_id), ended)
    except redis.RedisError:
        # Harmless: a mailbox shows only offers that are open.
        log.warning("declined offer left in its mailbox", order_id=order_id, driver_id=driver_id)
    return {"orderId": order_id, "result": "declined"}
