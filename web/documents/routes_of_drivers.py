"""The routes of drivers' apps."""

from models.errors import (
    DriverBusy,
    DriverNotRegistered,
    InvalidTransition,
    NotOffered,
    OrderCancelled,
    OrderExpired,
    TripNotFound,
    TruckTaken,
)
from web.documents import shapes_of_drivers as shapes
from web.documents.operations import Answer, Example, Operation, links, query
from web.schemas.bodies import Accept, Availability, GiveBack, Nothing, Positions, Registration, TripStatus

_MOMENT = {"type": "string", "format": "date-time", "maxLength": 40}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 10_000}
_LATE = (NotOffered, TruckTaken, OrderExpired, OrderCancelled, InvalidTransition)
_TRUCK = "truckRequestId"
# What can be done with a trip.
_OF_TRIPS = ("drivers.trip_status", "drivers.trip_track", "drivers.trip_cancel")

ROUTES = {
    "drivers.register": Operation(
        "Drivers",
        {200: Answer("The driver as registered now.", shapes.DriverKnown)},
        body=Registration,
        examples=(
            Example(
                "ravi",
                "A driver with a small truck",
                {
                    "name": "Ravi",
                    "phone": "+911234567890",
                    "vehicleType": "TRUCK",
                    "vehicleSubtype": "TATA_ACE",
                    "vehicleNumber": "DL 1 AB 1234",
                },
            ),
        ),
        errors=(DriverBusy,),
        text="A new driver is unavailable until they say that they want work. Another vehicle withdraws the "
        "open offers of the one before; during a trip it is refused.",
    ),
    "drivers.me": Operation(
        "Drivers", {200: Answer("The driver.", shapes.DriverWithTrip)}, errors=(DriverNotRegistered,)
    ),
    "drivers.availability": Operation(
        "Drivers",
        {200: Answer("The driver as registered now.", shapes.DriverKnown)},
        body=Availability,
        examples=(
            Example("work", "Wants work", {"available": True}),
            Example("home", "Ends work", {"available": False}),
        ),
        errors=(DriverNotRegistered,),
    ),
    "drivers.locations": Operation(
        "Drivers",
        {200: Answer("How many were taken, and how many are the newest.", shapes.PositionsTaken)},
        body=Positions,
        examples=(
            Example("now", "Where the driver is", {"locations": [{"latitude": 28.54, "longitude": 77.39}]}),
            Example(
                "batch",
                "What was collected without a network",
                {
                    "locations": [
                        {
                            "latitude": 28.54,
                            "longitude": 77.39,
                            "at": "2026-01-31T12:00:00.000Z",
                            "speed": 8.5,
                        },
                        {
                            "latitude": 28.55,
                            "longitude": 77.39,
                            "at": "2026-01-31T12:01:00.000Z",
                            "heading": 0,
                        },
                    ]
                },
            ),
        ),
        errors=(DriverNotRegistered,),
        text="Wrong rows are refused by their number and the others taken; 400 if none is right. What else "
        "a phone knows of a position (accuracy, altitude, ...) is ignored. A driver without a position or "
        "heartbeat for 60 s gets no offers.",
    ),
    "drivers.broadcasts": Operation("Drivers", {200: Answer("The open offers.", shapes.Broadcasts)}),
    "orders.accept": Operation(
        "Drivers",
        {
            200: Answer(
                "The truck is this driver's; a repeat gets the same answer.",
                shapes.Accepted,
                links=links(_TRUCK, "/truckRequestId", *_OF_TRIPS),
            )
        },
        body=Accept,
        body_required=False,
        examples=(Example("any", "Any truck of the kind that was offered", {}),),
        errors=(*_LATE, DriverBusy),
        text="Each truck goes to exactly one driver. `truckRequestId` is a wish: another truck of the same "
        "kind that pays no less serves as well.",
    ),
    "orders.decline": Operation(
        "Drivers",
        {200: Answer("The offer is closed.", shapes.Declined)},
        body=Nothing,
        body_required=False,
        examples=(Example("no", "An empty body", {}),),
        errors=_LATE,
    ),
    "drivers.trip_status": Operation(
        "Drivers",
        {
            200: Answer(
                "The step is taken.", shapes.TripStep, links=links(_TRUCK, "/truckRequestId", *_OF_TRIPS)
            )
        },
        body=TripStatus,
        examples=(Example("leave", "On the way to the pickup", {"status": "en_route_pickup"}),),
        errors=(TripNotFound, InvalidTransition),
        text="`assigned`, `en_route_pickup`, `at_pickup`, `in_transit`, `arrived_at_drop`, `completed`, in "
        "this order only.",
    ),
    "drivers.trip_track": Operation(
        "Drivers",
        {200: Answer("The way, oldest first.", shapes.Track)},
        parameters=(
            query("after", "Only what came later.", _MOMENT, "2026-01-31T12:00:00.000Z"),
            query("limit", "How many at most.", _LIMIT, 100),
        ),
        errors=(TripNotFound,),
        text="From the assignment of its driver to its end, a position a second at most. The next page begins"
        " after the last position of this one.",
    ),
    "drivers.trip_cancel": Operation(
        "Drivers",
        {
            200: Answer(
                "The truck is searched for again, for a fresh 60 s, without this driver.", shapes.TripStep
            )
        },
        body=GiveBack,
        body_required=False,
        examples=(Example("broken", "With a reason", {"reason": "A tyre is flat."}),),
        errors=(TripNotFound, InvalidTransition),
    ),
}
