"""What operators are answered when they look for drivers and trips."""

from typing import Any, Literal

from pydantic import Field

from web.schemas.answers import Count, Id, Moment, OfferState, PersonId, Shape, TruckState
from web.schemas.answers_to_drivers import LastPosition


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


class MissingVehicle(Shape):
    vehicle: str = Field(description="Its type and subtype.")
    drivers: Count = Field(description="Registered with it, wherever they are.")
    more: bool = Field(description="Whether there are more than were looked at.")


class LeftOut(Shape):
    otherVehicle: Count = Field(description="Free, with a vehicle that is not missing.")
    busy: Count = Field(description="On a trip.")
    silent: Count = Field(description="Not heard of within the presence time.")
    offDuty: Count = Field(description="Want no work.")
    askedAlready: Count = Field(description="Were asked in this search, or have returned one of its trucks.")


class WaveNow(Shape):
    wave: Count
    radiusKm: Count
    free: Count = Field(description="Would be asked, the nearest first.")
    leftOut: LeftOut = Field(description="How many would not be asked, by why.")


class OtherVehicle(Shape):
    vehicle: str = Field(description="Its type and subtype.")
    within5Km: Count = Field(description="Free drivers within the first wave's radius.")
    within50Km: Count = Field(description="Free drivers within the last wave's radius.")


class NearbyNow(Shape):
    summary: str = Field(
        examples=["0 drivers drive TRUCK/TATA_ACEE; 14 TRUCK/TATA_ACE within 5 km"],
        description="The same in a sentence; empty if no truck is missing.",
    )
    missing: list[MissingVehicle] = Field(description="The vehicles that the order still misses.")
    waves: list[WaveNow] = Field(description="For the radius of each wave.")
    otherVehicles: list[OtherVehicle] = Field(description="What drivers in reach drive instead, most first.")


class NearbyWhole(Shape):
    nearbyNow: NearbyNow = Field(description="Of the moment of asking.")


class TripFound(RunningTripSeen):
    driver: DriverContact


class TripsFound(Shape):
    trips: list[TripFound]
    more: bool = Field(description="There are others beside these.")


class Erased(Shape):
    role: Literal["customer", "driver"] = Field(description="As in the address.")
    id: str
    erased: bool = Field(description="Done, everywhere, when this is answered.")
