"""The steps of a trip, in the caller's process like an accept."""

import structlog

from tasks.followups import follow
from workers.drivers import trips

log = structlog.get_logger()


def advance(driver_id: str, truck_request_id: str, status: str) -> dict[str, str]:
    """Moves a trip one step on. Raises ``TripNotFound`` and ``InvalidTransition``."""
    follow(trips.advance(driver_id, truck_request_id, status))
    log.info("trip " + status, truck_request_id=truck_request_id, driver_id=driver_id)
    return {"truckRequestId": truck_request_id, "status": status}


def give_back(driver_id: str, truck_request_id: str, reason: str) -> dict[str, str]:
    """Returns a truck to the search. Raises ``TripNotFound`` and ``InvalidTransition``."""
    follow(trips.give_back(driver_id, truck_request_id, reason))
    log.info("truck returned", truck_request_id=truck_request_id, driver_id=driver_id)
    return {"truckRequestId": truck_request_id, "status": "searching"}
