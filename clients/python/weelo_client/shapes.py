"""The shapes that go over the wire, by their names on the wire."""

from typing import Any, Literal, NotRequired, TypedDict

OrderStatus = Literal[
    "queued",
    "active",
    "partially_filled",
    "fully_filled",
    "in_progress",
    "completed",
    "rejected",
    "cancelled",
    "expired",
]
TruckStatus = Literal[
    "searching",
    "assigned",
    "en_route_pickup",
    "at_pickup",
    "in_transit",
    "arrived_at_drop",
    "completed",
    "expired",
    "cancelled",
]
TripStep = Literal["en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed"]


class Coordinates(TypedDict):
    """WGS84 degrees."""

    latitude: float
    longitude: float


class Place(Coordinates):
    """A pickup or drop as it is sent."""

    address: str
    city: NotRequired[str]
    state: NotRequired[str]


class RoutePoint(Place):
    type: Literal["PICKUP", "STOP", "DROP"]


class VehicleRequirement(TypedDict):
    vehicleType: str
    vehicleSubtype: str
    quantity: int
    pricePerTruck: float


class NewOrder(TypedDict):
    """What ``POST /orders`` takes: either pickup and drop, or route points."""

    pickup: NotRequired[Place]
    drop: NotRequired[Place]
    routePoints: NotRequired[list[RoutePoint]]
    distanceKm: float
    vehicleRequirements: list[VehicleRequirement]
    goodsType: NotRequired[str]
    cargoWeightKg: NotRequired[float]


class KnownPlace(TypedDict):
    """A pickup or drop as it is answered."""

    coordinates: Coordinates
    address: str
    city: NotRequired[str]
    state: NotRequired[str]


class Order(TypedDict):
    """An order. One that is ``queued`` or ``rejected`` has its id and status, and little else yet."""

    id: str
    status: OrderStatus
    customerId: NotRequired[str]
    pickup: NotRequired[KnownPlace]
    drop: NotRequired[KnownPlace]
    routePoints: NotRequired[list[RoutePoint]]
    distanceKm: NotRequired[float]
    totalTrucks: NotRequired[int]
    trucksFilled: NotRequired[int]
    totalAmount: NotRequired[float]
    goodsType: NotRequired[str | None]
    cargoWeightKg: NotRequired[float | None]
    expiresAt: NotRequired[str]
    createdAt: NotRequired[str]
    updatedAt: NotRequired[str]
    rejection: NotRequired[str | None]


class AssignedDriver(TypedDict):
    """A driver as a customer sees them, as at the assignment; the phone is gone 24 hours after the trip."""

    id: str
    name: str
    phone: str | None
    vehicleNumber: str


class TruckRequest(TypedDict):
    id: str
    orderId: str
    requestNumber: int
    vehicleType: str
    vehicleSubtype: str
    pricePerTruck: float
    status: TruckStatus
    driver: AssignedDriver | None
    assignedAt: str | None


class BroadcastGroup(TypedDict):
    vehicleType: str
    vehicleSubtype: str
    count: int
    driversNotified: int


class BroadcastSummary(TypedDict):
    totalRequests: int
    totalDriversNotified: int
    groupedBy: list[BroadcastGroup]


class OrderView(TypedDict):
    """An order with its trucks."""

    order: Order
    truckRequests: list[TruckRequest]


class NoOrder(TypedDict):
    """The active order of a customer who has none."""

    order: None
    truckRequests: list[TruckRequest]


class OrderPage(TypedDict):
    orders: list[Order]
    nextCursor: str | None


class OrderEvent(TypedDict):
    id: int
    at: str
    type: str
    data: dict[str, Any]


class Offer(TypedDict):
    """One driver who was asked, and how that ended. Who never had a truck of the order has an id of this
    order only.
    """

    driverId: str
    truckRequestId: str
    farePerTruck: float
    round: int
    wave: int
    state: str
    offeredAt: str
    closedAt: str | None


class OrderStory(TypedDict):
    events: list[OrderEvent]
    offers: list[Offer]
    nextCursor: str | None


class Position(Coordinates):
    """Where a driver is; ``at`` is now where it is left out."""

    at: NotRequired[str]
    heading: NotRequired[float]
    speed: NotRequired[float]


class TrackPoint(Coordinates):
    at: str
    suspect: bool


class Track(TypedDict):
    truckRequestId: str
    driverId: str
    status: TruckStatus
    points: list[TrackPoint]


class Registration(TypedDict):
    name: str
    phone: str
    vehicleType: str
    vehicleSubtype: str
    vehicleNumber: str


class DriverView(Registration):
    """A driver, as they see themselves."""

    id: str
    available: bool
    lastPosition: Position | None


class Broadcast(TypedDict):
    """An open offer, as ``new_broadcast`` and ``GET /drivers/me/broadcasts`` show it."""

    orderId: str
    truckRequestId: str
    pickup: KnownPlace
    drop: KnownPlace
    routePoints: list[RoutePoint]
    distanceKm: float
    pickupDistanceKm: float
    vehicleType: str
    vehicleSubtype: str
    farePerTruck: float
    trucksStillNeeded: int
    customerName: NotRequired[str]
    expiresAt: str


class Trip(TypedDict):
    """A trip as its driver sees it."""

    orderId: str
    truckRequestId: str
    status: TruckStatus
    pickup: KnownPlace
    drop: KnownPlace
    routePoints: list[RoutePoint]
    distanceKm: float
    vehicleType: str
    vehicleSubtype: str
    farePerTruck: float
    assignedAt: str


class Accepted(TypedDict):
    """A truck that was won."""

    orderId: str
    truckRequestId: str
    result: Literal["accepted"]
    trip: Trip


class Me(TypedDict):
    driver: DriverView
    currentTrip: Trip | None


class RefusedRow(TypedDict):
    """A wrong row of a batch, counted from 0. Sending it again would not help."""

    row: int
    field: str
    message: str


class Received(TypedDict):
    """How many positions were taken, how many of them moved the driver, and which rows were refused."""

    received: int
    live: int
    refused: list[RefusedRow]
    moreRefused: NotRequired[int]


class TripState(TypedDict):
    truckRequestId: str
    status: TruckStatus
