"""What may be sent, field by field, with the contract's limits."""

import re
import time
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    model_validator,
)

from models.live.driver_index import Position
from models.orders import TRUCK_REQUEST_STATES

MAXIMUM_TRUCKS = 100
# NUMERIC(12,2) holds the total of a hundred trucks at this price.
MAXIMUM_PRICE = Decimal("99999999.99")
# How far ahead of ours the clock of a phone may be.
FUTURE_SECONDS = 60
VEHICLE_NAME = re.compile(r"[\w .\-]{1,64}")
# What shows on a page: Python and JavaScript call different characters white space, and neither these.
VISIBLE = r"[^\s\u0000-\u001f\u0085\ufeff]"


def _printable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("contains half of a surrogate pair")
    if not re.search(VISIBLE, text):
        raise ValueError("must not be blank")
    return text


def _vehicle_name(text: str) -> str:
    if not VEHICLE_NAME.fullmatch(text) or not text.strip():
        raise ValueError("must be 1 to 64 letters, digits, spaces, '_', '-' or '.'")
    return text.strip()


def _truck_state(text: str) -> str:
    if text not in TRUCK_REQUEST_STATES:
        raise ValueError("must be one of " + ", ".join(TRUCK_REQUEST_STATES))
    return text


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 2.0 is 2, as in JSON Schema and in our comparison of payloads."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _price(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    price = Decimal(repr(value))
    if not 0 <= price <= MAXIMUM_PRICE:
        raise ValueError(f"must be from 0 to {MAXIMUM_PRICE}")
    if price != round(price, 2):
        raise ValueError("must have at most two decimals")
    return price


# What the published documents say where a validator of ours decides.
_NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": 64,
    # Says of ASCII what VEHICLE_NAME says; no class of all letters is known to both Python and JavaScript.
    "pattern": r"^ *[^\u0000-,/:-@\[-^`{-\u007f][^\u0000-\u001f!-,/:-@\[-^`{-\u007f]*$",
    "description": "Letters, digits, spaces, '_', '-' and '.'; compared without regard to case.",
}
_RUPEES = {
    "type": "number",
    "minimum": 0,
    "maximum": float(MAXIMUM_PRICE),
    "description": "INR, at most two decimals.",
}
_TEXT: dict[str, JsonValue] = {"pattern": rf"^[^\u0000]*{VISIBLE}[^\u0000]*$"}


def _given(*names: str) -> JsonValue:
    """These fields are there, and are not null."""
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


_WAYS: dict[str, JsonValue] = {"anyOf": [_given("pickup", "drop"), _given("routePoints")]}

Text = Annotated[str, AfterValidator(_printable), Field(json_schema_extra=_TEXT)]
VehicleName = Annotated[str, AfterValidator(_vehicle_name), WithJsonSchema(_NAME)]
WHOLE = BeforeValidator(_whole)
Price = Annotated[Decimal, BeforeValidator(_price), WithJsonSchema(_RUPEES)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Address = Annotated[Text, Field(min_length=1, max_length=500)]
Reason = Annotated[Text, Field(min_length=1, max_length=500)]


class Body(BaseModel):
    """Unknown fields are refused, and nothing is converted: a string is not a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Place(Body):
    latitude: Latitude
    longitude: Longitude
    address: Address
    city: Annotated[Text, Field(max_length=100)] | None = None
    state: Annotated[Text, Field(max_length=100)] | None = None

    def stored(self) -> dict[str, Any]:
        """The shape of pickups and drops in answers."""
        place: dict[str, Any] = {
            "coordinates": {"latitude": self.latitude, "longitude": self.longitude},
            "address": self.address,
        }
        return place | {k: v for k, v in (("city", self.city), ("state", self.state)) if v is not None}


class RoutePoint(Place):
    type: Literal["PICKUP", "STOP", "DROP"]

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


class Accept(Body):
    truckRequestId: (
        Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")] | None
    ) = None


class Nothing(Body):
    """A body that may be left out and must be empty."""


class Registration(Body):
    name: Annotated[Text, Field(max_length=100)]
    phone: Annotated[str, Field(pattern=r"^\+?[0-9][0-9 \-]{3,30}$")]
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
    status: Annotated[
        str,
        AfterValidator(_truck_state),
        WithJsonSchema({"type": "string", "enum": list(TRUCK_REQUEST_STATES)}),
    ]


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time as in 2026-01-31T12:00:00.000Z") from None
    if moment.tzinfo is None:
        raise ValueError("needs its time zone, best Z")
    if moment.timestamp() > time.time() + FUTURE_SECONDS:
        raise ValueError(f"lies more than {FUTURE_SECONDS} s in the future")
    return text


class After(Body):
    """Where a list of positions is to begin."""

    after: Annotated[str, Field(max_length=40), AfterValidator(_moment)]


class ReportedPosition(Body):
    """A position as a driver's app reports it; ``at`` is now where it is left out."""

    latitude: Latitude
    longitude: Longitude
    at: (
        Annotated[
            str,
            Field(max_length=40),
            AfterValidator(_moment),
            WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 40}),
        ]
        | None
    ) = None
    heading: Annotated[float, Field(ge=0, le=360)] | None = None
    speed: Annotated[float, Field(ge=0, le=500)] | None = None

    def position(self, now_ms: int) -> Position:
        """The same for the driver index."""
        at_ms = round(datetime.fromisoformat(self.at).timestamp() * 1000) if self.at else now_ms
        return Position(self.latitude, self.longitude, at_ms)


class Positions(Body):
    locations: Annotated[list[ReportedPosition], Field(min_length=1, max_length=100)]
