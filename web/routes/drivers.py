"""Drivers: registration, availability, positions, open offers, trips."""

from datetime import UTC, datetime
from typing import Any

import redis
from flask import Blueprint, Response, request

from models import clock
from models.errors import DriverBusy, DriverNotRegistered, InvalidTransition, TripNotFound
from models.live import driver_index
from models.messages import iso
from tasks import drivers, trips
from web.guards import caller, requires
from web.http.operations import Answer, Example, Operation, links, number, query
from web.http.parsing import body, identifier, validated, whole_number
from web.http.responses import success
from web.positions.history import positions
from web.schemas.answers_to_drivers import (
    DriverKnown,
    DriverWithTrip,
    OpenBroadcasts,
    PositionsTaken,
    Track,
    TripStep,
)
from web.schemas.batches import read_batch
from web.schemas.bodies import After, Availability, GiveBack, Positions, Registration, TripStatus
from workers.drivers import locating, registering, tracking
from workers.reading import current

blueprint = Blueprint("drivers", __name__, url_prefix="/api/v1")

LIMIT = number("limit", "How many at most.", 1, 10_000, default=10_000, example=100)
AFTER = {"type": "string", "format": "date-time", "maxLength": 40}
# What can be done with the trip of an answer.
OF_TRIPS = links(
    "truckRequestId", "/truckRequestId", "drivers.trip_status", "drivers.trip_track", "drivers.trip_cancel"
)


@blueprint.put("/drivers/me")
@requires("driver")
@Operation(
    "Drivers",
    Answer("The driver as registered now.", DriverKnown),
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
)
def register() -> Response:
    """Registers the caller, or changes what is known of them.

    A new driver is unavailable until they say that they want work. Another vehicle withdraws the open
    offers of the one before; during a trip it is refused.
    """
    wanted = validated(Registration, body())
    me = drivers.register(
        caller().sub,
        wanted.name,
        wanted.phone,
        wanted.vehicleType,
        wanted.vehicleSubtype,
        wanted.vehicleNumber,
    )
    return success({"driver": me})


@blueprint.get("/drivers/me")
@requires("driver")
@Operation("Drivers", Answer("The driver.", DriverWithTrip), errors=(DriverNotRegistered,))
def me() -> Response:
    """The caller as registered: availability, last position, current trip."""
    driver = registering.read(caller().sub)
    opening = current.driver_opening(caller().sub)
    return success({"driver": driver | _live_position(), "currentTrip": opening.data["currentTrip"]})


@blueprint.put("/drivers/me/availability")
@requires("driver")
@Operation(
    "Drivers",
    Answer("The driver as registered now.", DriverKnown),
    body=Availability,
    examples=(
        Example("work", "Wants work", {"available": True}),
        Example("home", "Ends work", {"available": False}),
    ),
    errors=(DriverNotRegistered,),
)
def availability() -> Response:
    """Opens or closes the caller for offers; closing withdraws those that are open."""
    wanted = validated(Availability, body())
    return success({"driver": drivers.set_available(caller().sub, wanted.available)})


@blueprint.post("/drivers/me/locations")
@requires("driver")
@Operation(
    "Drivers",
    Answer("How many were taken, and how many are the newest.", PositionsTaken),
    body=Positions,
    examples=(
        Example("now", "Where the driver is", {"locations": [{"latitude": 28.54, "longitude": 77.39}]}),
        Example(
            "batch",
            "What was collected without a network",
            {
                "locations": [
                    {"latitude": 28.54, "longitude": 77.39, "at": "2026-01-31T12:00:00.000Z", "speed": 8.5},
                    {"latitude": 28.55, "longitude": 77.39, "at": "2026-01-31T12:01:00.000Z", "heading": 0},
                ]
            },
        ),
    ),
    errors=(DriverNotRegistered,),
)
def locations() -> Response:
    """A batch of positions in any order, for clients without a socket; wrong rows cost only themselves.

    Wrong rows are refused by their number and the others taken; 400 if none is right. What else a phone
    knows of a position (accuracy, altitude, ...) is ignored. A driver without a position or heartbeat for
    60 s gets no offers.
    """
    batch = read_batch(body())
    now_ms = clock.now_ms()
    in_order = sorted(batch.positions, key=lambda reported: reported.at_ms(now_ms))
    sent = [reported.position(now_ms) for reported in in_order]
    reports = [(caller().sub, position) for position in sent]
    moves = drivers.report_positions(reports, now_ms)
    if moves[0].outcome == "unknown":
        raise DriverNotRegistered
    locating.save({caller().sub: sent[-1]})
    positions.record_trips(reports, moves)
    live = sum(moved.outcome == "live" for moved in moves)
    return success({"received": len(moves), "live": live, **batch.answer()})


@blueprint.get("/drivers/me/broadcasts")
@requires("driver")
@Operation("Drivers", Answer("The open offers.", OpenBroadcasts))
def broadcasts() -> Response:
    """The offers that are open to the caller."""
    return success({"broadcasts": current.driver_opening(caller().sub).data["openBroadcasts"]})


@blueprint.post("/trips/<truck_request_id>/status")
@requires("driver")
@Operation(
    "Drivers",
    Answer("The step is taken.", TripStep, links=OF_TRIPS),
    body=TripStatus,
    examples=(Example("leave", "On the way to the pickup", {"status": "en_route_pickup"}),),
    errors=(TripNotFound, InvalidTransition),
)
def trip_status(truck_request_id: str) -> Response:
    """Moves the caller's trip one step on.

    `assigned`, `en_route_pickup`, `at_pickup`, `in_transit`, `arrived_at_drop`, `completed`, in this order
    only.
    """
    wanted = validated(TripStatus, body())
    return success(trips.advance(caller().sub, identifier(truck_request_id, TripNotFound), wanted.status))


@blueprint.get("/trips/<truck_request_id>/track")
@requires("customer", "driver", "ops")
@Operation(
    "Drivers",
    Answer("The way, oldest first.", Track),
    parameters=(query("after", "Only what came later.", AFTER, "2026-01-31T12:00:00.000Z"), LIMIT),
    errors=(TripNotFound,),
)
def trip_track(truck_request_id: str) -> Response:
    """Where the truck was while its trip was running, for those whom it concerns.

    From the assignment of its driver to its end, a position a second at most. The next page begins after
    the last position of this one.
    """
    after = request.args.get("after")
    since = datetime.fromisoformat(validated(After, {"after": after}).after) if after is not None else None
    known = identifier(truck_request_id, TripNotFound)
    return success(tracking.track(known, caller().role, caller().sub, since, whole_number(LIMIT)))


@blueprint.post("/trips/<truck_request_id>/cancel")
@requires("driver")
@Operation(
    "Drivers",
    Answer("The truck is searched for again, for a fresh 60 s, without this driver.", TripStep),
    body=GiveBack,
    examples=(Example("broken", "With a reason", {"reason": "A tyre is flat."}),),
    errors=(TripNotFound, InvalidTransition),
)
def trip_cancel(truck_request_id: str) -> Response:
    """Gives the truck back: it is searched for again, without the caller."""
    wanted = validated(GiveBack, body())
    return success(trips.give_back(caller().sub, identifier(truck_request_id, TripNotFound), wanted.reason))


def _live_position() -> dict[str, Any]:
    try:
        position = driver_index.last_position(caller().sub)
    except redis.RedisError:
        position = None
    if position is None:
        return {}
    at = iso(datetime.fromtimestamp(position.at_ms / 1000, UTC))
    return {"lastPosition": {"latitude": position.latitude, "longitude": position.longitude, "at": at}}
