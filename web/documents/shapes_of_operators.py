"""What operators are answered when they look for drivers and trips."""

from typing import Any, Literal

from pydantic import Field

from web.documents.shapes import Id, Moment, OfferState, PersonId, Shape, TruckState
from web.documents.shapes_of_drivers import LastPosition


class DriverContact(Shape):
    driverId: PersonId
    name: str
    phone: str
    vehicle: str = Field(examples=["TRUCK/TATA_ACE"], description="Its type and subtype.")
    plate: str
    lastHeardAt: Moment | None
    position: LastPosition | None


class RunningTripSeen(Shape):
    orderId: Id
    truckRequestId: Id
    status: TruckState
    loaded: bool
    assignedAt: Moment
    progressedAt: Moment = Field(description="When it last moved a step on.")


class DriverFound(DriverContact):
    state: Literal["free", "busy", "offDuty", "silent"] = Field(
        description="`busy`: on a trip. `silent`: wants work, and was not heard of within the presence time."
    )
    trip: RunningTripSeen | None


class DriverPage(Shape):
    drivers: list[DriverFound]
    nextCursor: PersonId | None


class OfferOfDriver(Shape):
    orderId: Id
    at: Moment
    outcome: OfferState


class DriverEvent(Shape):
    at: Moment
    type: str
    data: dict[str, Any]


class DriverWhole(DriverFound):
    offersToday: list[OfferOfDriver] = Field(description="Of the last 24 hours, newest first, at most 200.")
    events: list[DriverEvent] = Field(description="What operators did to them, newest first, at most 20.")


class DriverActedOn(DriverWhole):
    done: bool = Field(description="False where there was nothing left to do.")


class TripFound(RunningTripSeen):
    driver: DriverContact


class TripsFound(Shape):
    trips: list[TripFound]
    more: bool = Field(description="There are others beside these.")
