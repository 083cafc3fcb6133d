"""What may be sent as a body or a query, field by field."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from models.live.driver_index import Position
from web.schemas.fields import (
    SOMEWHERE,
    WHOLE,
    Address,
    Heading,
    Id,
    Instant,
    Latitude,
    Longitude,
    Moment,
    Phone,
    PointType,
    Price,
    Reason,
    Speed,
    Text,
    TruckState,
    VehicleName,
    real_place,
)

MAXIMUM_TRUCKS = 100


# `if`, not `anyOf`: of that, generators of clients make two bodies, each without the fields of the other.
_WAYS: dict[str, JsonValue] = {
    "if": {"required": ["routePoints"], "properties": {"routePoints": {"type": "array"}}},
    "else": {
        "required": ["pickup", "drop"],
        "properties": {"pickup": {"type": "object"}, "drop": {"type": "object"}},
    },
}


class Body(BaseModel):
    """Unknown fields are refused, and nothing is converted: a string is not a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Place(Body):
    model_config = ConfigDict(json_schema_extra=SOMEWHERE)

    latitude: Latitude
    longitude: Longitude
    address: Address
    city: Annotated[Text, Field(max_length=100)] | None = None
    state: Annotated[Text, Field(max_length=100)] | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        real_place(self.latitude, self.longitude)
        return self

    def stored(self) -> dict[str, Any]:
        """The shape of pickups and drops in answers."""
        place: dict[str, Any] = {
            "coordinates": {"latitude": self.latitude, "longitude": self.longitude},
            "address": self.address,
        }
        return place | {k: v for k, v in (("city", self.city), ("state", self.state)) if v is not None}


class RoutePoint(Place):
    type: PointType

    def as_point(self) -> dict[str, Any]:
        """The shape of route points in answers."""
        point = {
            "type": self.type,
            "latitude": self.latitude,
            "longitude": self.longitude,
            "address": self.address,
        }
        return point | {k: v for k, v in (("city", self.city), ("state", self.state)) if v is not None}


class VehicleRequirement(Body):
    vehicleType: VehicleName
    vehicleSubtype: VehicleName
    quantity: Annotated[int, Field(ge=1, le=MAXIMUM_TRUCKS), WHOLE]
    pricePerTruck: Price


class NewOrder(Body):
    """Either pickup and drop, or route points; at most 100 trucks in all."""

    model_config = ConfigDict(json_schema_extra=_WAYS)

    pickup: Place | None = None
    drop: Place | None = None
    routePoints: Annotated[list[RoutePoint], Field(min_length=2, max_length=10)] | None = None
    distanceKm: Annotated[float, Field(ge=0, le=5000, allow_inf_nan=False)]
    vehicleRequirements: Annotated[list[VehicleRequirement], Field(min_length=1, max_length=20)]
    goodsType: Annotated[Text, Field(max_length=200)] | None = None
    cargoWeightKg: Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _trucks(self) -> Self:
        total = sum(need.quantity for need in self.vehicleRequirements)
        if total > MAXIMUM_TRUCKS:
            raise ValueError(
                f"vehicleRequirements: {total} trucks in all, at most {MAXIMUM_TRUCKS} are allowed"
            )
        return self

    @model_validator(mode="after")
    def _way(self) -> Self:
        if self.routePoints is None:
            if self.pickup is None or self.drop is None:
                raise ValueError("give either pickup and drop, or routePoints")
            return self
        types = [point.type for point in self.routePoints]
        if types != ["PICKUP", *["STOP"] * (len(types) - 2), "DROP"]:
            raise ValueError("routePoints: the first must be PICKUP, the last DROP, those between STOP")
        for name, place, point in (
            ("pickup", self.pickup, self.routePoints[0]),
            ("drop", self.drop, self.routePoints[-1]),
        ):
            if place and (place.latitude, place.longitude) != (point.latitude, point.longitude):
                raise ValueError(f"{name} and routePoints name different places")
        return self

    def payload(self) -> dict[str, Any]:
        """What the admission keeps: plain JSON, prices as decimal text."""
        points = self.routePoints or []
        pickup, drop = self.pickup or points[0], self.drop or points[-1]
        return {
            "pickup": pickup.stored(),
            "drop": drop.stored(),
            "routePoints": [point.as_point() for point in points]
            or [_point("PICKUP", pickup), _point("DROP", drop)],
            "distanceKm": self.distanceKm,
            "vehicleRequirements": [
                {
                    "vehicleType": need.vehicleType,
                    "vehicleSubtype": need.vehicleSubtype,
                    "quantity": need.quantity,
                    "pricePerTruck": str(need.pricePerTruck),
                }
                for need in self.vehicleRequirements
            ],
            "goodsType": self.goodsType,
            "cargoWeightKg": self.cargoWeightKg,
        }


def _point(kind: str, place: Place) -> dict[str, Any]:
    return {"type": kind, "latitude": place.latitude, "longitude": place.longitude, "address": place.address}


class Cancel(Body):
    reason: Reason = "cancelled by the customer"


class GiveBack(Body):
    reason: Reason = "given back by the driver"


class Erasure(Body):
    reason: Reason


class Accept(Body):
    truckRequestId: Id | None = None


class Nothing(Body):
    """A body that may be left out and must be empty."""


class Registration(Body):
    name: Annotated[Text, Field(max_length=100)]
    phone: Phone
    vehicleType: VehicleName
    vehicleSubtype: VehicleName
    vehicleNumber: Annotated[Text, Field(max_length=32)]


class Availability(Body):
    available: bool


class CityWish(Body):
    """Whether there is to be a simulated city."""

    running: bool


class TripStatus(Body):
    # Every state there is: those that do not follow are refused as transitions, not as words.
    status: TruckState


class After(Body):
    """Where a list of positions is to begin."""

    after: Instant


class ReportedPosition(Body):
    """A position as a driver's app reports it; ``at`` is now where it is left out.

    What else a phone knows of it (accuracy, altitude, ...) is taken and ignored.
    """

    model_config = ConfigDict(extra="ignore", json_schema_extra=SOMEWHERE)

    latitude: Latitude
    longitude: Longitude
    at: Moment | None = None
    heading: Heading | None = None
    speed: Speed | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        real_place(self.latitude, self.longitude)
        return self

    def at_ms(self, now_ms: int) -> int:
        """When it was measured, by the phone's clock, which may be ahead; now if it does not say."""
        return round(datetime.fromisoformat(self.at).timestamp() * 1000) if self.at else now_ms

    def position(self, now_ms: int) -> Position:
        """The same for the driver index and the track: what a phone says of the future is now."""
        return Position(self.latitude, self.longitude, min(self.at_ms(now_ms), now_ms))


class Positions(Body):
    locations: Annotated[list[ReportedPosition], Field(min_length=1, max_length=100)]
