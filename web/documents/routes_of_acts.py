"""The routes with which operators look for drivers and trips, and act."""

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
from web.documents import shapes_of_operators as shapes
from web.documents.operations import Answer, Example, Operation, query
from web.documents.shapes_of_drivers import OrderActedOn
from web.routes.operating import LONGEST_STUCK_MINUTES
from web.schemas.fields import NAME_PATTERN, TEXT_PATTERN, VEHICLE_NAME_LENGTH
from web.schemas.operating import LONGEST_TEXT, Act, ActOnTrip, HandOver
from workers.reading.drivers import DRIVER_STATES

_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": TEXT_PATTERN}
_VEHICLE = {
    "type": "string",
    "minLength": 1,
    "maxLength": VEHICLE_NAME_LENGTH,
    "pattern": f"^{NAME_PATTERN}(/{NAME_PATTERN})?$",
}
_PERSON = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
_TIME = {"type": "string", "format": "date-time", "maxLength": 40}

FIND_ORDERS = (
    query(
        "q",
        "A full id or its end (4 characters or more), a person, a phone, a plate or part of an address.",
        _TEXT,
    ),
    query("from", "Sent at this time or later.", _TIME),
    query("to", "Sent before this time.", _TIME),
    query("vehicle", "`TYPE/SUBTYPE`, or one of the two.", _VEHICLE, "TRUCK/TATA_ACE"),
    query("driverId", "With a truck of this driver.", _PERSON),
)
_LIMIT = {"type": "integer", "minimum": 1, "maximum": 100}

_WHY = {"reason": "phone dead since noon"}
_AUDIT = (
    "Written to the order's audit with the operator's id and the reason, and sent to customer and drivers. "
    "The customer sees the reason, and not who gave it. Doing it again changes nothing."
)


def _act(meaning: str, *errors: type[DomainError]) -> Operation:
    return Operation(
        "Operators",
        {200: Answer(meaning, OrderActedOn)},
        body=Act,
        examples=(Example("why", "With the reason", _WHY),),
        errors=errors,
        text=_AUDIT,
    )


def _end(meaning: str) -> Operation:
    return Operation(
        "Operators",
        {200: Answer(meaning, OrderActedOn)},
        body=ActOnTrip,
        examples=(Example("why", "With the reason", _WHY),),
        errors=(TripNotFound, InvalidTransition),
        text=f"{_AUDIT} With `driverId` only while the trip is theirs.",
    )


ROUTES = {
    "operating.nearby_now": Operation(
        "Operators",
        {200: Answer("Who is there.", shapes.NearbyWhole)},
        errors=(OrderNotFound,),
        text="Of this moment, not of when the waves were sent; for trucks that are missing, or were at the "
        "end. At most 2,000 drivers of a vehicle are looked at, and 50 other vehicles. Of busy, silent and "
        "off-duty drivers the last saved position counts.",
    ),
    "operating.cancel_order": _act("It is cancelled.", OrderNotFound, OrderNotCancellable),
    "operating.extend_search": _act(
        "The search, with its time.", OrderNotFound, OrderExpired, OrderCancelled, InvalidTransition
    ),
    "operating.complete_trip": _end("It is completed."),
    "operating.close_trip": _end("It is cancelled."),
    "operating.take_off": _end("The truck is searched for."),
    "operating.hand_over": Operation(
        "Operators",
        {200: Answer("It is theirs.", OrderActedOn)},
        body=HandOver,
        examples=(Example("to", "With the reason and the next driver", _WHY | {"driverId": "driver-7"}),),
        errors=(TripNotFound, DriverNotRegistered, DriverBusy, InvalidTransition),
        text=f"{_AUDIT} A loaded trip stays where it is in its course, another begins again.",
    ),
    "operating.put_off_duty": Operation(
        "Operators",
        {200: Answer("They are off duty.", shapes.DriverActedOn)},
        body=Act,
        examples=(Example("why", "With the reason", _WHY),),
        errors=(DriverNotRegistered,),
        text="Kept with the driver's `events`, and in the audit of the order that they are driving for.",
    ),
    "operating.find_drivers": Operation(
        "Operators",
        {200: Answer("A page of drivers.", shapes.DriverPage)},
        parameters=(
            query("q", "An id, a phone, a plate, or part of a name.", _TEXT),
            query("state", "Only drivers in this state.", {"type": "string", "enum": list(DRIVER_STATES)}),
            query("limit", "How many at most.", _LIMIT | {"default": 20}, 20),
            query("cursor", "`nextCursor` of the page before.", _PERSON),
        ),
        text="A part of a name is looked for in 10,000 drivers a page, a state in 1,000: a page may hold few "
        "or none and have a `nextCursor`, from which the look goes on.",
    ),
    "operating.show_driver": Operation(
        "Operators",
        {200: Answer("The driver.", shapes.DriverWhole)},
        errors=(DriverNotRegistered,),
    ),
    "operating.find_trips": Operation(
        "Operators",
        {200: Answer("The trips.", shapes.TripsFound)},
        parameters=(
            query(
                "stuckMinutes",
                "Only trips that have not moved a step on, and whose driver was not heard of, for so long.",
                {"type": "integer", "minimum": 0, "maximum": LONGEST_STUCK_MINUTES, "default": 0},
                30,
            ),
            query("limit", "How many at most.", _LIMIT | {"default": 100}, 100),
        ),
    ),
}
