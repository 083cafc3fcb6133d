"""Every frame of the socket, both ways, and why a socket is closed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from web.documents.openapi import EXAMPLE_ID
from web.schemas.answers import (
    ActiveOrder,
    Coordinates,
    Count,
    DriverOfTruck,
    Id,
    Moment,
    PersonId,
    Rupees,
    Shape,
    TruckState,
)
from web.schemas.answers_to_drivers import Broadcast, Trip
from web.schemas.bodies import Nothing, ReportedPosition
from web.schemas.frames import AcceptBroadcast, Acknowledge, Decline, TripReturn, UpdateTripStatus


class DriverConnected(Shape):
    driverId: PersonId
    openBroadcasts: list[Broadcast]
    moreBroadcasts: Count = Field(default=0, description="How many more there are: they come as frames.")
    currentTrip: Trip | None


class SnapshotOrder(ActiveOrder):
    moreTruckRequests: Count = Field(default=0, description="How many more `GET /orders/{id}` shows.")


class CustomerConnected(Shape):
    activeOrder: SnapshotOrder | None


class AcceptConfirmation(Shape):
    orderId: Id
    truckRequestId: Id | None
    result: Literal["accepted", "refused"]
    code: str = Field(default="", description="Why it was refused; the codes of `POST /orders/{id}/accept`.")


class TripConfirmation(Shape):
    truckRequestId: Id
    status: TruckState
    result: Literal["accepted", "refused"]
    code: str = Field(default="", description="Why it was refused; the codes of `POST /trips/{id}/status`.")


class TrucksRemaining(Shape):
    orderId: Id
    vehicleType: str
    vehicleSubtype: str
    trucksStillNeeded: Count


class NoLongerAvailable(Shape):
    orderId: Id
    reason: Literal["taken", "expired", "unavailable"] = Field(
        description="`unavailable`: the driver went off duty, or drives another vehicle now."
    )


class OrderNamed(Shape):
    orderId: Id


class Cancellation(OrderNamed):
    reason: str


class SearchExtended(OrderNamed):
    expiresAt: Moment


class AvailabilityChanged(Shape):
    available: bool
    reason: str


class SearchEnded(OrderNamed):
    trucksFilled: Count
    totalTrucks: Count


class TruckConfirmed(SearchEnded):
    truckRequestId: Id
    driver: DriverOfTruck
    farePerTruck: Rupees


class AssignmentChanged(OrderNamed):
    truckRequestId: Id
    driverId: PersonId
    status: TruckState


class LocationUpdated(Coordinates):
    truckRequestId: Id
    at: Moment


class Refusal(Shape):
    code: str
    message: str


@dataclass(frozen=True)
class FrameType:
    """One type of frame: what it says, the model of its ``data``; of those from apps, data that works."""

    name: str
    meaning: str
    data: type[BaseModel]
    example: Mapping[str, Any] | None = None


_REMAINING = FrameType(
    "trucks_remaining_update",
    "So many trucks of this kind are still missing; sent after a change, every half second at most. "
    "Not repeated after a reconnect: `connected` has the present number.",
    TrucksRemaining,
)
_EXTENDED = FrameType("search_extended", "The search ends later.", SearchExtended)
_ERROR = FrameType("error", "What was sent could not be done. Not repeated after a reconnect.", Refusal)
_HEARTBEAT = FrameType("heartbeat", "The app is there; every 20 s or so.", Nothing, {})
_ACKNOWLEDGE = FrameType(
    "broadcast_ack",
    "Everything up to this id has been seen and need not be sent again.",
    Acknowledge,
    {"id": 0},
)

_STEP = {"truckRequestId": EXAMPLE_ID, "status": "en_route_pickup"}

TO_DRIVERS = (
    FrameType(
        "connected", "The first frame, and again when the server has lost the mailbox.", DriverConnected
    ),
    FrameType("new_broadcast", "An offer. Sent again after each reconnect until it closes.", Broadcast),
    FrameType("accept_confirmation", "The answer to `accept_broadcast`.", AcceptConfirmation),
    FrameType(
        "trip_confirmation",
        "The answer to `update_trip_status` and `cancel_trip`; or an operator has completed it.",
        TripConfirmation,
    ),
    FrameType("trip_assigned", "The truck is yours.", Trip),
    _REMAINING,
    FrameType("request_no_longer_available", "The offer is closed.", NoLongerAvailable),
    FrameType("order_expired", "Nobody took the order in time.", OrderNamed),
    FrameType(
        "order_cancelled",
        "The order was called off, or an operator took it from this driver: it leaves the screen.",
        Cancellation,
    ),
    _EXTENDED,
    FrameType("availability_changed", "An operator has put this driver off duty.", AvailabilityChanged),
    _ERROR,
)
TO_CUSTOMERS = (
    FrameType(
        "connected", "The first frame, and again when the server has lost the mailbox.", CustomerConnected
    ),
    FrameType("truck_confirmed", "A driver has accepted.", TruckConfirmed),
    _REMAINING,
    FrameType(
        "assignment_status_changed", "A trip has moved a step on, or was given back.", AssignmentChanged
    ),
    FrameType("location_updated", "Where the truck of a trip is; once a second at most.", LocationUpdated),
    FrameType(
        "broadcast_expired", "The search is over; the order goes on with the trucks it has.", SearchEnded
    ),
    FrameType("order_expired", "The search is over and nobody took the order.", SearchEnded),
    FrameType("order_cancelled", "An operator has called the order off.", Cancellation),
    _EXTENDED,
    FrameType("order_no_supply", "No driver was in reach in any wave so far.", OrderNamed),
    _ERROR,
)
FROM_DRIVERS = (
    FrameType(
        "update_location", "Where the driver is.", ReportedPosition, {"latitude": 28.54, "longitude": 77.39}
    ),
    _HEARTBEAT,
    FrameType("accept_broadcast", "Takes one truck of an order.", AcceptBroadcast, {"orderId": EXAMPLE_ID}),
    FrameType("decline_broadcast", "Turns an offer down.", Decline, {"orderId": EXAMPLE_ID}),
    FrameType("update_trip_status", "Moves the trip one step on.", UpdateTripStatus, _STEP),
    FrameType("cancel_trip", "Gives the truck back.", TripReturn, {"truckRequestId": EXAMPLE_ID}),
    _ACKNOWLEDGE,
)
FROM_CUSTOMERS = (_HEARTBEAT, _ACKNOWLEDGE)

CLOSE_CODES = {
    1001: "This server is going away: connect again at once.",
    1003: "A binary frame; send text.",
    1007: "This is not JSON, or not UTF-8. A mistake in the app.",
    1008: "Too many messages, or no answer to pings.",
    1009: "A message of more than 64 KiB.",
    1011: "Something went wrong on our side: connect again after a pause.",
    4401: "The token has run out: connect with a new one.",
    4409: "A newer connection of the same person has replaced this one: do not connect again.",
}
