"""What drivers report: who they are, whether they want work, where they are. In the caller's process."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import redis
import structlog

from models import clock, messages
from models.live import mailbox
from models.live.driver_index import Moved, Position, Report, RunningTrip
from models.messages import Message
from tasks.followups import follow
from workers import failing
from workers.drivers import locating, registering
from workers.offers import withdrawing

log = structlog.get_logger()


def register(driver_id: str, *details: str) -> dict[str, Any]:
    """Registers the driver or changes their details; returns their view."""
    driver = registering.register(driver_id, *details)
    follow_change(driver_id)
    return driver


def set_available(driver_id: str, available: bool) -> dict[str, Any]:
    """Opens or closes the driver for offers. Raises ``DriverNotRegistered``."""
    driver = registering.set_available(driver_id, available)
    follow_change(driver_id)
    return driver


def follow_change(driver_id: str) -> None:
    """After a change of what a driver can take. First out of the searches, so that no offer is made while the
    open ones are withdrawn.
    """
    try:
        locating.refresh([driver_id], clock.now_ms())
    except redis.RedisError:
        # The next heartbeat does it.
        log.warning("driver index away", driver_id=driver_id)
    for offer_id in withdrawing.due(driver_id):
        for followup in failing.apart("withdraw", [offer_id], lambda ids: withdrawing.withdraw(ids[0])):
            follow(followup)


def report_positions(reports: Sequence[Report], now_ms: int) -> list[Moved]:
    """Updates drivers' positions, each driver's oldest first. Customers of running trips are sent the newest,
    at most once a second.

    A driver whose outcome is "unknown" is not registered. Raises ``redis.RedisError``, ``ValueError``.
    """
    moves = locating.update_all(reports, now_ms)
    newest: dict[str, Position] = {}
    due: dict[str, RunningTrip] = {}
    for (driver_id, position), moved in zip(reports, moves, strict=True):
        if moved.jumped:
            log.info("impossible position", driver_id=driver_id)
        if moved.trip and moved.outcome == "live":
            newest[driver_id] = position
        if moved.trip and moved.tell:
            due[driver_id] = moved.trip
    updates = [_location(trip, newest[driver_id]) for driver_id, trip in due.items()]
    mailbox.pass_on(updates, clock.now())
    return moves


def _location(trip: RunningTrip, position: Position) -> Message:
    data = {
        "truckRequestId": trip.truck_request_id,
        "latitude": position.latitude,
        "longitude": position.longitude,
        "at": messages.iso(datetime.fromtimestamp(position.at_ms / 1000, UTC)),
    }
    return Message(messages.customer(trip.customer_id), "location_updated", data)
