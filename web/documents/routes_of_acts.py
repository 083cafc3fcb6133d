"""The routes with which operators look for drivers and trips, and act."""

from models.errors import DriverNotRegistered
from web.documents import shapes_of_operators as shapes
from web.documents.operations import Answer, Operation, query
from web.routes.operating import LONGEST_STUCK_MINUTES
from web.schemas.operating import LONGEST_TEXT
from workers.reading.drivers import DRIVER_STATES

_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
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
    query("vehicle", "`TYPE/SUBTYPE`, or one of the two.", {"type": "string", "maxLength": 129}),
    query("driverId", "With a truck of this driver.", _PERSON),
)
_LIMIT = {"type": "integer", "minimum": 1, "maximum": 100}

ROUTES = {
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
