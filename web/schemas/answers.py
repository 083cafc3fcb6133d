"""What is answered, field by field. The application does not go through these models: the tests hold
every answer against them.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from models.tables.offers import STATES as OFFER_STATES
from models.tables.orders import ORDER_STATES, TRUCK_REQUEST_STATES
from web.schemas.fields import PointType

Moment = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        json_schema_extra={"format": "date-time", "examples": ["2026-11-25T10:00:00.000Z"]},
        description="ISO 8601, UTC, milliseconds.",
    ),
]
Id = Annotated[
    str, Field(json_schema_extra={"format": "uuid"}, description="UUID, version 7 where we made it.")
]
PersonId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="A token's `sub`.")]
Rupees = Annotated[float, Field(ge=0, description="INR, at most two decimals.")]
Km = Annotated[float, Field(ge=0, description="Kilometres.")]
Count = Annotated[int, Field(ge=0)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
# Schemas of their own: generators name an inline one after its field, and `TripStatus` would be two.
TruckState = TypeAliasType(
    "TruckState", Annotated[str, Field(json_schema_extra={"enum": list(TRUCK_REQUEST_STATES)})]
)
OfferState = TypeAliasType(
    "OfferState", Annotated[str, Field(json_schema_extra={"enum": list(OFFER_STATES)})]
)
OrderState = TypeAliasType(
    "OrderState", Annotated[str, Field(json_schema_extra={"enum": list(ORDER_STATES)})]
)
AnyOrderState = TypeAliasType(
    "AnyOrderState",
    Annotated[str, Field(json_schema_extra={"enum": ["queued", "rejected", *ORDER_STATES]})],
)


class Shape(BaseModel):
    """Further fields may come; apps ignore what they do not know."""

    model_config = ConfigDict(frozen=True)


class Coordinates(Shape):
    latitude: Latitude
    longitude: Longitude


class Where(Shape):
    coordinates: Coordinates
    address: str
    city: str = Field(default="", description="Only where it was sent.")
    state: str = Field(default="", description="Only where it was sent.")


class Point(Coordinates):
    type: PointType
    address: str
    city: str = Field(default="", description="Only where it was sent.")
    state: str = Field(default="", description="Only where it was sent.")


class Order(Shape):
    id: Id
    customerId: PersonId
    pickup: Where
    drop: Where
    routePoints: list[Point]
    distanceKm: Km
    totalTrucks: Count
    trucksFilled: Count
    totalAmount: Rupees
    goodsType: str | None
    cargoWeightKg: float | None
    status: OrderState
    expiresAt: Moment
    createdAt: Moment
    updatedAt: Moment


class AnyOrder(Order):
    """One that is not placed yet, or never was, has nothing but its id, customer, status and time."""

    # One shape with a condition: of two, generators of clients make one that fits neither.
    model_config = ConfigDict(
        json_schema_extra={
            "required": ["id", "customerId", "status", "createdAt"],
            "if": {"properties": {"status": {"enum": ["queued", "rejected", "cancelled"]}}},
            "else": {"required": list(Order.model_fields)},
        }
    )
    status: AnyOrderState
    rejection: str = Field(default="", description="The error code, of a rejected order.")


class DriverOfTruck(Shape):
    """As at the assignment."""

    id: PersonId
    name: str
    phone: str | None = Field(description="Null from 24 hours after the trip's end.")
    vehicleNumber: str


class TruckRequest(Shape):
    id: Id
    orderId: Id
    requestNumber: Annotated[int, Field(ge=1)]
    vehicleType: str
    vehicleSubtype: str
    pricePerTruck: Rupees
    status: TruckState
    driver: DriverOfTruck | None
    assignedAt: Moment | None


class Group(Shape):
    vehicleType: str
    vehicleSubtype: str
    count: Count
    driversNotified: Count


class BroadcastSummary(Shape):
    totalRequests: Count
    totalDriversNotified: Count
    groupedBy: list[Group]


class OrderCreated(Shape):
    order: Order
    truckRequests: list[TruckRequest]
    broadcastSummary: BroadcastSummary
    timeoutSeconds: Count


class Queued(Shape):
    id: Id
    status: Literal["queued"]


class OrderQueued(Shape):
    order: Queued


class OrderWhole(Shape):
    order: AnyOrder
    truckRequests: list[TruckRequest]


class ActiveOrder(Shape):
    order: AnyOrder | None
    truckRequests: list[TruckRequest]


class OrderPage(Shape):
    orders: list[AnyOrder]
    nextCursor: Id | None


class Event(Shape):
    id: Count
    at: Moment
    type: str
    data: dict[str, Any]


class OfferSeen(Shape):
    driverId: PersonId = Field(
        description="Of a driver who never had a truck of this order, an id that means nothing elsewhere."
    )
    truckRequestId: Id
    farePerTruck: Rupees
    round: Count
    wave: Count
    state: OfferState
    offeredAt: Moment
    closedAt: Moment | None


class Offer(OfferSeen):
    pickupDistanceKm: Km


class OrderStorySeen(Shape):
    events: list[Event]
    offers: list[OfferSeen]
    nextCursor: str | None = Field(description="Where the next page begins; null where the story ends.")


class OrderStory(Shape):
    events: list[Event]
    offers: list[Offer]
    nextCursor: str | None = Field(description="Where the next page begins; null where the story ends.")
