"""The operators' view of drivers and running trips, and what they may do to orders, trips and drivers."""

from flask import Blueprint, Response, request

from models.errors import DriverNotRegistered
from web.guards import requires
from web.http.parsing import validated, whole_number
from web.http.responses import success
from web.identity.tokens import SUBJECT
from web.schemas.operating import DriverSearch
from workers.reading import drivers

blueprint = Blueprint("operating", __name__, url_prefix="/api/v1/ops")

LONGEST_STUCK_MINUTES = 7 * 24 * 60


@blueprint.get("/drivers")
@requires("ops")
def find_drivers() -> Response:
    """All drivers, or those that fit what is looked for, by id."""
    limit = whole_number("limit", 20, 1, 100)
    wanted = validated(DriverSearch, {name: request.args[name] for name in request.args if name != "limit"})
    return success(drivers.drivers(wanted.q, wanted.state, limit, wanted.cursor))


@blueprint.get("/drivers/<driver_id>")
@requires("ops")
def show_driver(driver_id: str) -> Response:
    """One driver: state, last sign of life, trip, and the offers of the last 24 hours."""
    return success(drivers.driver(_driver(driver_id)))


@blueprint.get("/trips")
@requires("ops")
def find_trips() -> Response:
    """Running trips, the quietest first."""
    minutes = whole_number("stuckMinutes", 0, 0, LONGEST_STUCK_MINUTES)
    return success(drivers.trips(minutes, whole_number("limit", 100, 1, 100)))


def _driver(driver_id: str) -> str:
    if not SUBJECT.fullmatch(driver_id):
        raise DriverNotRegistered("There is no such driver.")
    return driver_id
