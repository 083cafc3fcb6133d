"""What drivers are answered, and what operators see of them."""

from typing import Literal

from pydantic import Field

from web.schemas.answers import (
    Coordinates,
    Count,
    Id,
    Km,
    Moment,
    OrderState,
    OrderStory,
    OrderWhole,
    PersonId,
    Point,
    Rupees,
    Shape,
    TruckState,
    Where,
)


class LastPosition(Coordinates):
    at: Moment


class Driver(Shape):
    id: PersonId
    name: str
    phone: str
    vehicleType: str
    vehicleSubtype: str
    vehicleNumber: str
    available: bool
    lastPosition: LastPosition | None


class DriverKnown(Shape):
    driver: Driver


class Trip(Shape):
    orderId: Id
    truckRequestId: Id
    status: TruckState
    pickup: Where
    drop: Where
    routePoints: list[Point]
    distanceKm: Km
    vehicleType: str
    vehicleSubtype: str
    farePerTruck: Rupees
    assignedAt: Moment


class DriverWithTrip(Shape):
    driver: Driver
    currentTrip: Trip | None


class PositionRefused(Shape):
    row: Count = Field(description="Its place in `locations`, counted from 0.")
    field: str
    message: str


class PositionsTaken(Shape):
    received: Count = Field(description="How many were taken: those that are not in `refused`.")
    live: Count = Field(description="How many of them moved the driver; older ones do not.")
    refused: list[PositionRefused] = Field(
        description="The wrong rows, at most 50 of them. The others are taken."
    )
    moreRefused: Count = Field(default=0, description="How many were refused beside these; left out if none.")


class Broadcast(Shape):
    orderId: Id
    truckRequestId: Id
    pickup: Where
    drop: Where
    routePoints: list[Point]
    distanceKm: Km
    pickupDistanceKm: Km
    vehicleType: str
    vehicleSubtype: str
    farePerTruck: Rupees
    trucksStillNeeded: Count
    customerName: str = ""
    expiresAt: Moment


class OpenBroadcasts(Shape):
    broadcasts: list[Broadcast]


class Accepted(Shape):
    orderId: Id
    truckRequestId: Id
    result: Literal["accepted"]
    trip: Trip


class Declined(Shape):
    orderId: Id
    result: Literal["declined"]


class TripStep(Shape):
    truckRequestId: Id
    status: TruckState


class TrackPoint(LastPosition):
    suspect: bool = Field(description="Nobody gets there so fast: a receiver that is or was wrong.")


class Track(Shape):
    truckRequestId: Id
    driverId: PersonId
    status: TruckState
    points: list[TrackPoint]


class Search(Shape):
    searching: bool
    round: Count
    wave: Count
    radiusKm: Count
    nextWaveAt: Moment | None


class OrderForOperators(OrderWhole, OrderStory):
    search: Search


class OrderActedOn(OrderWhole):
    search: Search
    done: bool = Field(description="False where there was nothing left to do.")


class LastHour(Shape):
    expired: Count
    cancelled: Count
    completed: Count


class FirstOffer(Shape):
    """From the request's commit to the first wave that found somebody; at most the newest 1,000 orders of the
    last 5 minutes.
    """

    orders: Count
    p50Seconds: float | None
    p99Seconds: float | None


class Counters(Shape):
    queued: Count
    searching: Count
    partiallyFilled: Count
    fullyFilled: Count
    inProgress: Count
    lastHour: LastHour
    deadAdmissions: Count = Field(description="Orders given up after five failures.")
    failedRows: Count = Field(description="Rows that sweeps have set aside within the last hour.")
    outboxOldestSeconds: float = Field(description="Age of the oldest notification that is not delivered.")
    ordersPerMinute: Count
    ordersRefused: Count = Field(
        description="New orders refused for want of room since there was last a minute without one."
    )
    firstOffer: FirstOffer


class DriversByState(Shape):
    available: Count
    busy: Count = Field(description="On the way to a pickup.")
    on_trip: Count = Field(description="With a load.")
    silent: Count = Field(description="Wants work, and has not been heard of within the presence time.")
    unavailable: Count


class OrderOnMap(Shape):
    id: Id
    status: OrderState
    pickup: Where
    wave: Count
    radiusKm: Count
    totalTrucks: Count
    trucksFilled: Count
    nextWaveAt: Moment | None
    expiresAt: Moment
    createdAt: Moment


class DriverOnMap(LastPosition):
    id: PersonId
    state: Literal["available", "busy", "on_trip", "silent", "unavailable"]
    vehicleType: str
    vehicleSubtype: str


class Map(Shape):
    """The searches that end first and the drivers heard of last, up to the limits beside them."""

    orders: list[OrderOnMap]
    drivers: list[DriverOnMap]
    ordersLimit: Count
    driversLimit: Count


class HealthLine(Shape):
    """One part; `detail` says what is wrong with it, or how it does."""

    part: Literal["postgres", "redis", "worker", "beat", "queues", "rows", "notifications", "refusals"]
    ok: bool
    detail: str
    runbook: str = Field(description="Where the runbook says what to do.")


class Overview(Shape):
    health: list[HealthLine] = Field(
        description="Without Redis nothing is known of `worker`, `beat` and `queues`, and they are left out."
    )
    counters: Counters
    drivers: DriversByState
    map: Map


class Minute(Shape):
    """The figures as they were last seen within this minute."""

    at: Moment = Field(description="When the minute began.")
    searching: Count
    fullyFilled: Count
    inProgress: Count
    expired: Count = Field(description="Within the hour before.")
    ordersPerMinute: Count
    p50Ms: Count | None
    p99Ms: Count | None
    trucksAsked: Count
    trucksTaken: Count


class Hour(Shape):
    trucksAsked: Count
    trucksTaken: Count
    minutes: list[Minute]


class Alive(Shape):
    status: Literal["alive"]


class Ready(Shape):
    postgres: Literal["ok"]
    redis: Literal["ok"]
    worker: Literal["ok"]
    beat: Literal["ok"]


class ReadyWeb(Shape):
    postgres: Literal["ok"]


class Index(Shape):
    name: Literal["weelo"]
    api: str
    socket: str
    ready: str
    console: str
