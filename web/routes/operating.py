"""The operators' view of drivers and running trips, and what they may do to orders, trips and drivers."""

from flask import Blueprint, Response, request

from models.errors import DriverNotRegistered, OrderExpired, OrderNotFound, TripNotFound
from tasks import operating
from web.guards import caller, requires
from web.http.parsing import body, identifier, validated, whole_number
from web.http.responses import success
from web.identity.tokens import SUBJECT
from web.routes.ops import refusal, search_expired, whole
from web.schemas.operating import Act, ActOnTrip, DriverSearch, HandOver
from workers.operating.held import TripAct, order_of
from workers.reading import drivers, nearby

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


@blueprint.get("/orders/<order_id>/nearby")
@requires("ops")
def nearby_now(order_id: str) -> Response:
    """Why nobody takes the order: who is near its pickup now, and why they would be left out."""
    return success({"nearbyNow": nearby.read(identifier(order_id, OrderNotFound))})


@blueprint.post("/orders/<order_id>/cancel")
@requires("ops")
def cancel_order(order_id: str) -> Response:
    """Cancels the order at any stage, also while a truck is loaded; doing it again changes nothing."""
    wanted = validated(Act, body())
    known = identifier(order_id, OrderNotFound)
    done = operating.cancel(known, caller().sub, wanted.reason)
    return success(whole(known) | {"done": done})


@blueprint.post("/orders/<order_id>/extend")
@requires("ops")
def extend_search(order_id: str) -> Response:
    """Gives a running search 60 s more; one that has more than that left is not changed."""
    wanted = validated(Act, body())
    known = identifier(order_id, OrderNotFound)
    done = operating.extend(known, caller().sub, wanted.reason)
    order = whole(known)
    if not done and not order["search"]["searching"]:
        raise OrderExpired if search_expired(order) else refusal(order)
    return success(order | {"done": done})


@blueprint.post("/trips/<truck_request_id>/complete")
@requires("ops")
def complete_trip(truck_request_id: str) -> Response:
    """Ends a running trip as delivered, wherever it is in its course."""
    return _end("complete", truck_request_id)


@blueprint.post("/trips/<truck_request_id>/close")
@requires("ops")
def close_trip(truck_request_id: str) -> Response:
    """Ends a running trip as not delivered; its order is cancelled if it has no other truck."""
    return _end("close", truck_request_id)


@blueprint.post("/trips/<truck_request_id>/take-off")
@requires("ops")
def take_off(truck_request_id: str) -> Response:
    """Takes the truck from its driver and searches again for 60 s, without them."""
    return _end("take-off", truck_request_id)


@blueprint.post("/trips/<truck_request_id>/hand-over")
@requires("ops")
def hand_over(truck_request_id: str) -> Response:
    """Gives a running trip to another driver, who drives such a vehicle and has no trip."""
    wanted = validated(HandOver, body())
    act = TripAct(identifier(truck_request_id, TripNotFound), caller().sub, wanted.reason)
    return _acted_on(act, operating.hand_over(act, wanted.driverId))


@blueprint.post("/drivers/<driver_id>/off-duty")
@requires("ops")
def put_off_duty(driver_id: str) -> Response:
    """Closes a driver for offers and withdraws the open ones; a running trip goes on."""
    wanted = validated(Act, body())
    known = _driver(driver_id)
    done = operating.put_off_duty(known, caller().sub, wanted.reason)
    return success(drivers.driver(known) | {"done": done})


def _end(deed: str, truck_request_id: str) -> Response:
    wanted = validated(ActOnTrip, body())
    known = identifier(truck_request_id, TripNotFound)
    act = TripAct(known, caller().sub, wanted.reason, wanted.driverId)
    return _acted_on(act, operating.on_trip(deed, act))


def _acted_on(act: TripAct, done: bool) -> Response:
    return success(whole(order_of(act.truck_request_id)) | {"done": done})


def _driver(driver_id: str) -> str:
    if not SUBJECT.fullmatch(driver_id):
        raise DriverNotRegistered("There is no such driver.")
    return driver_id
