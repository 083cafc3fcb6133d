"""Every frame from the server as a class with typed ``data``: ``if isinstance(event, NewBroadcast): ...``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from weelo_client.shapes import AssignedDriver, Broadcast, Coordinates, OrderView, Trip, TruckStatus


@dataclass(frozen=True, slots=True)
class Event:
    """One frame from the server; of a class below, unless the server is newer than this client."""

    type: str
    id: int
    at: str
    data: Any

    @property
    def moment(self) -> datetime:
        """``at`` with its time zone."""
        return datetime.fromisoformat(self.at)


class OrderData(TypedDict):
    orderId: str


class ActiveOrder(OrderView):
    moreTruckRequests: NotRequired[int]


class CustomerConnectedData(TypedDict):
    activeOrder: ActiveOrder | None


class DriverConnectedData(TypedDict):
    driverId: str
    openBroadcasts: list[Broadcast]
    moreBroadcasts: NotRequired[int]
    currentTrip: Trip | None


class AcceptConfirmationData(OrderData):
    truckRequestId: str | None
    result: Literal["accepted", "refused"]
    code: NotRequired[str]


class TripConfirmationData(TypedDict):
    truckRequestId: str
    status: TruckStatus
    result: Literal["accepted", "refused"]
    code: NotRequired[str]


class TrucksRemainingData(OrderData):
    vehicleType: str
    vehicleSubtype: str
    trucksStillNeeded: int


class NoLongerAvailableData(OrderData):
    reason: Literal["taken", "expired", "unavailable"]


class OrderExpiredData(OrderData):
    """The counts come to customers only."""

    trucksFilled: NotRequired[int]
    totalTrucks: NotRequired[int]


class OrderCancelledData(OrderData):
    reason: str


class SearchExtendedData(OrderData):
    expiresAt: str


class AvailabilityChangedData(TypedDict):
    available: bool
    reason: str


class SearchEndedData(OrderData):
    trucksFilled: int
    totalTrucks: int


class TruckConfirmedData(SearchEndedData):
    truckRequestId: str
    driver: AssignedDriver
    farePerTruck: float


class AssignmentStatusData(OrderData):
    truckRequestId: str
    driverId: str
    status: TruckStatus


class LocationData(Coordinates):
    truckRequestId: str
    at: str


class ErrorData(TypedDict):
    code: str
    message: str


class CustomerConnected(Event):
    __slots__ = ()
    data: CustomerConnectedData


class DriverConnected(Event):
    __slots__ = ()
    data: DriverConnectedData


class NewBroadcast(Event):
    __slots__ = ()
    data: Broadcast


class AcceptConfirmation(Event):
    __slots__ = ()
    data: AcceptConfirmationData


class TripConfirmation(Event):
    __slots__ = ()
    data: TripConfirmationData


class TripAssigned(Event):
    __slots__ = ()
    data: Trip


class TrucksRemaining(Event):
    __slots__ = ()
    data: TrucksRemainingData


class NoLongerAvailable(Event):
    __slots__ = ()
    data: NoLongerAvailableData


class OrderExpired(Event):
    __slots__ = ()
    data: OrderExpiredData


class OrderCancelled(Event):
    __slots__ = ()
    data: OrderCancelledData


class SearchExtended(Event):
    __slots__ = ()
    data: SearchExtendedData


class AvailabilityChanged(Event):
    __slots__ = ()
    data: AvailabilityChangedData


class BroadcastExpired(Event):
    __slots__ = ()
    data: SearchEndedData


class TruckConfirmed(Event):
    __slots__ = ()
    data: TruckConfirmedData


class AssignmentStatusChanged(Event):
    __slots__ = ()
    data: AssignmentStatusData


class LocationUpdated(Event):
    __slots__ = ()
    data: LocationData


class OrderNoSupply(Event):
    __slots__ = ()
    data: OrderData


class RefusedFrame(Event):
    """``error``: what was sent could not be done."""

    __slots__ = ()
    data: ErrorData


KINDS: Mapping[str, type[Event]] = {
    "new_broadcast": NewBroadcast,
    "accept_confirmation": AcceptConfirmation,
    "trip_confirmation": TripConfirmation,
    "trip_assigned": TripAssigned,
    "trucks_remaining_update": TrucksRemaining,
    "request_no_longer_available": NoLongerAvailable,
    "order_expired": OrderExpired,
    "order_cancelled": OrderCancelled,
    "search_extended": SearchExtended,
    "availability_changed": AvailabilityChanged,
    "broadcast_expired": BroadcastExpired,
    "truck_confirmed": TruckConfirmed,
    "assignment_status_changed": AssignmentStatusChanged,
    "location_updated": LocationUpdated,
    "order_no_supply": OrderNoSupply,
    "error": RefusedFrame,
}


def kind_of(frame: Mapping[str, Any]) -> type[Event]:
    """The class of a frame; ``connected`` says by its data whose it is."""
    if frame["type"] == "connected":
        return DriverConnected if "driverId" in frame["data"] else CustomerConnected
    return KINDS.get(frame["type"], Event)
