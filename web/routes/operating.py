"""The operators' view of drivers and running trips, and what they may do to orders, trips and drivers."""

from flask import Blueprint, Response, request

from models.errors import (
    DomainError,
    DriverBusy,
    DriverNotRegistered,
    InvalidTransition,
    OrderCancelled,
    OrderExpired,
    OrderNotCancellable,
    OrderNotFound,
    TripNotFound,
)
from tasks import operating
from web.guards import caller, requires
from web.http.operations import Answer, Example, Operation, number, query
from web.http.parsing import body, identifier, validated, whole_number
from web.http.responses import success
from web.identity.tokens import SUBJECT
from web.routes.ops import search_answer, whole_order
from web.schemas.answers_to_drivers import OrderActedOn
from web.schemas.answers_to_operators import DriverActedOn, DriverPage, DriverWhole, NearbyWhole, TripsFound
from web.schemas.operating import PERSON, TEXT, Act, ActOnTrip, DriverSearch, HandOver
from workers.operating.held import TripAct, order_of
from workers.reading import drivers, nearby, standing

blueprint = Blueprint("operating", __name__, url_prefix="/api/v1/ops")

DRIVERS_LIMIT = number("limit", "How many at most.", 1, 100, default=20, example=20)
TRIPS_LIMIT = number("limit", "How many at most.", 1, 100, default=100, example=100)
STUCK = number(
    "stuckMinutes",
    "Only trips that have not moved a step on, and whose driver was not heard of, for so long.",
    0,
    7 * 24 * 60,
    default=0,
    example=30,
)
STANDING = number("minutes", "For how long the truck has not moved.", 1, 24 * 60, default=15, example=15)
STATE = {"type": "string", "enum": list(drivers.DRIVER_STATES)}
WHY = {"reason": "phone dead since noon"}
WITH_WHY = (Example("why", "With the reason", WHY),)
AUDIT = (
    "Written to the order's audit with the operator's id and the reason, and sent to customer and drivers. "
    "The customer sees the reason, and not who gave it. Doing it again changes nothing."
)


def _act(meaning: str, *errors: type[DomainError]) -> Operation:
    answer = Answer(meaning, OrderActedOn)
    return Operation("Operators", answer, body=Act, examples=WITH_WHY, errors=errors, text=AUDIT)


def _end(meaning: str) -> Operation:
    return Operation(
        "Operators",
        Answer(meaning, OrderActedOn),
        body=ActOnTrip,
        examples=WITH_WHY,
        errors=(TripNotFound, InvalidTransition),
        text=f"{AUDIT} With `driverId` only while the trip is theirs.",
    )


@blueprint.get("/drivers")
@requires("ops")
@Operation(
    "Operators",
    Answer("A page of drivers.", DriverPage),
    parameters=(
        query("q", "An id, a phone, a plate, or part of a name.", TEXT),
        query("state", "Only drivers in this state.", STATE),
        DRIVERS_LIMIT,
        query("cursor", "`nextCursor` of the page before.", PERSON),
    ),
)
def find_drivers() -> Response:
    """All drivers, or those that fit what is looked for, by id.

    A part of a name is looked for in 10,000 drivers a page, a state in 1,000: a page may hold few or none
    and have a `nextCursor`, from which the look goes on.
    """
    limit = whole_number(DRIVERS_LIMIT)
    wanted = validated(DriverSearch, {name: request.args[name] for name in request.args if name != "limit"})
    return success(drivers.drivers(wanted.q, wanted.state, limit, wanted.cursor))


@blueprint.get("/drivers/<driver_id>")
@requires("ops")
@Operation("Operators", Answer("The driver.", DriverWhole), errors=(DriverNotRegistered,))
def show_driver(driver_id: str) -> Response:
    """One driver: state, last sign of life, trip, and the offers of the last 24 hours."""
    return success(drivers.driver(_driver(driver_id)))


@blueprint.get("/trips")
@requires("ops")
@Operation("Operators", Answer("The trips.", TripsFound), parameters=(STUCK, TRIPS_LIMIT))
def find_trips() -> Response:
    """Running trips, the quietest first."""
    return success(drivers.trips(whole_number(STUCK), whole_number(TRIPS_LIMIT)))


@blueprint.get("/trips/standing")
@requires("ops")
@Operation("Operators", Answer("The trips.", TripsFound), parameters=(STANDING, TRIPS_LIMIT))
def find_standing_trips() -> Response:
    """Running trips whose phone reports and whose truck does not move, the longest without a step first.

    On the way (`en_route_pickup`, `in_transit`) and within 200 m for so long, by four looks at the track.
    Trucks within 500 m of a place of their order are left out: they load, unload or wait there.
    """
    return success(standing.read(whole_number(STANDING), whole_number(TRIPS_LIMIT)))


@blueprint.get("/orders/<order_id>/nearby")
@requires("ops")
@Operation("Operators", Answer("Who is there.", NearbyWhole), errors=(OrderNotFound,))
def nearby_now(order_id: str) -> Response:
    """Why nobody takes the order: who is near its pickup now, and why they would be left out.

    Of this moment, not of when the waves were sent; for trucks that are missing, or were at the end. At
    most 1,000 drivers of a missing vehicle are looked at, and 100 of each of 50 others. Of busy, silent and
    off-duty drivers the last saved position counts.
    """
    return success({"nearbyNow": nearby.read(identifier(order_id, OrderNotFound))})


@blueprint.post("/orders/<order_id>/cancel")
@requires("ops")
@_act("It is cancelled.", OrderNotFound, OrderNotCancellable)
def cancel_order(order_id: str) -> Response:
    """Cancels the order at any stage, also while a truck is loaded; doing it again changes nothing."""
    wanted = validated(Act, body())
    known = identifier(order_id, OrderNotFound)
    done = operating.cancel(known, caller().sub, wanted.reason)
    return success(whole_order(known) | {"done": done})


@blueprint.post("/orders/<order_id>/extend")
@requires("ops")
@_act("The search, with its time.", OrderNotFound, OrderExpired, OrderCancelled, InvalidTransition)
def extend_search(order_id: str) -> Response:
    """Gives a running search 60 s more; one that has more than that left is not changed."""
    wanted = validated(Act, body())
    known = identifier(order_id, OrderNotFound)
    return search_answer(known, operating.extend(known, caller().sub, wanted.reason))


@blueprint.post("/trips/<truck_request_id>/complete")
@requires("ops")
@_end("It is completed.")
def complete_trip(truck_request_id: str) -> Response:
    """Ends a running trip as delivered, wherever it is in its course."""
    return _ended("complete", truck_request_id)


@blueprint.post("/trips/<truck_request_id>/close")
@requires("ops")
@_end("It is cancelled.")
def close_trip(truck_request_id: str) -> Response:
    """Ends a running trip as not delivered; its order is cancelled if it has no other truck."""
    return _ended("close", truck_request_id)


@blueprint.post("/trips/<truck_request_id>/take-off")
@requires("ops")
@_end("The truck is searched for.")
def take_off(truck_request_id: str) -> Response:
    """Takes the truck from its driver and searches again for 60 s, without them."""
    return _ended("take-off", truck_request_id)


@blueprint.post("/trips/<truck_request_id>/hand-over")
@requires("ops")
@Operation(
    "Operators",
    Answer("It is theirs.", OrderActedOn),
    body=HandOver,
    examples=(Example("to", "With the reason and the next driver", WHY | {"driverId": "driver-7"}),),
    errors=(TripNotFound, DriverNotRegistered, DriverBusy, InvalidTransition),
    text=AUDIT,
)
def hand_over(truck_request_id: str) -> Response:
    """Gives a running trip to another driver, who drives such a vehicle and has no trip.

    A loaded trip stays where it is in its course, another begins again.
    """
    wanted = validated(HandOver, body())
    act = TripAct(identifier(truck_request_id, TripNotFound), caller().sub, wanted.reason)
    return _acted_on(act, operating.hand_over(act, wanted.driverId))


@blueprint.post("/drivers/<driver_id>/off-duty")
@requires("ops")
@Operation(
    "Operators",
    Answer("They are off duty.", DriverActedOn),
    body=Act,
    examples=WITH_WHY,
    errors=(DriverNotRegistered,),
)
def put_off_duty(driver_id: str) -> Response:
    """Closes a driver for offers and withdraws the open ones; a running trip goes on.

    Kept with the driver's `events`, and in the audit of the order that they are driving for.
    """
    wanted = validated(Act, body())
    known = _driver(driver_id)
    done = operating.put_off_duty(known, caller().sub, wanted.reason)
    return success(drivers.driver(known) | {"done": done})


def _ended(deed: str, truck_request_id: str) -> Response:
    wanted = validated(ActOnTrip, body())
    known = identifier(truck_request_id, TripNotFound)
    act = TripAct(known, caller().sub, wanted.reason, wanted.driverId)
    return _acted_on(act, operating.on_trip(deed, act))


def _acted_on(act: TripAct, done: bool) -> Response:
    return success(whole_order(order_of(act.truck_request_id)) | {"done": done})


def _driver(driver_id: str) -> str:
    if not SUBJECT.fullmatch(driver_id):
        raise DriverNotRegistered("There is no such driver.")
    return driver_id
