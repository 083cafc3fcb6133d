"""Drivers: registration, availability, positions, open offers, trips."""

from datetime import UTC, datetime
from typing import Any

import redis
from flask import Blueprint, Response, request

from models import clock
from models.errors import DriverNotRegistered, TripNotFound
from models.live import driver_index
from models.messages import iso
from tasks import drivers, trips
from web.guards import caller, requires
from web.http.parsing import body, identifier, validated, whole_number
from web.http.responses import success
from web.positions.history import positions
from web.schemas.batches import read_batch
from web.schemas.bodies import After, Availability, GiveBack, Registration, TripStatus
from workers.drivers import locating, registering, tracking
from workers.reading import current

blueprint = Blueprint("drivers", __name__, url_prefix="/api/v1")


@blueprint.put("/drivers/me")
@requires("driver")
def register() -> Response:
    """Registers the caller, or changes what is known of them."""
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
def me() -> Response:
    """The caller as registered: availability, last position, current trip."""
    driver = registering.read(caller().sub)
    opening = current.driver_opening(caller().sub)
    return success({"driver": driver | _live_position(), "currentTrip": opening.data["currentTrip"]})


@blueprint.put("/drivers/me/availability")
@requires("driver")
def availability() -> Response:
    """Opens or closes the caller for offers; closing withdraws those that are open."""
    wanted = validated(Availability, body())
    return success({"driver": drivers.set_available(caller().sub, wanted.available)})


@blueprint.post("/drivers/me/locations")
@requires("driver")
def locations() -> Response:
    """A batch of positions in any order, for clients without a socket; wrong rows cost only themselves."""
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
def broadcasts() -> Response:
    """The offers that are open to the caller."""
    return success({"broadcasts": current.driver_opening(caller().sub).data["openBroadcasts"]})


@blueprint.post("/trips/<truck_request_id>/status")
@requires("driver")
def trip_status(truck_request_id: str) -> Response:
    """Moves the caller's trip one step on."""
    wanted = validated(TripStatus, body())
    return success(trips.advance(caller().sub, identifier(truck_request_id, TripNotFound), wanted.status))


@blueprint.get("/trips/<truck_request_id>/track")
@requires("customer", "driver", "ops")
def trip_track(truck_request_id: str) -> Response:
    """Where the truck was while its trip was running, for those whom it concerns."""
    after = request.args.get("after")
    since = datetime.fromisoformat(validated(After, {"after": after}).after) if after is not None else None
    limit = whole_number("limit", 10_000, 1, 10_000)
    known = identifier(truck_request_id, TripNotFound)
    return success(tracking.track(known, caller().role, caller().sub, since, limit))


@blueprint.post("/trips/<truck_request_id>/cancel")
@requires("driver")
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
