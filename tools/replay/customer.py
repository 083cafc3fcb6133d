"""A customer: opens the app, posts the one order of a recorded trip, and watches how it ends."""

import asyncio
from typing import Any

from tools.replay.api import Answer, point
from tools.replay.ledger import FINAL, TRIP_STEPS, Order, State
from tools.replay.places import road_km
from tools.replay.reading import Trip
from tools.replay.sockets import Message, Socket
from tools.replay.world import World

# The app is open a little before the order, as people's are; the handshake is not part of POST.
OPENS_APP_S = 2.0
# How near a free driver must have been for an order to be one that should be filled.
NEAR_KM = 5.0
# A 202 is asked about this often, and for no longer than the search takes and some more.
POLL_S = 1.0
POLLS = 90

# Fares of a city's mini trucks, roughly: a flag-fall and so much a km (INR).
FLAG_FALL = 150
FARE_PER_KM = 25

REFUSED_LATER = {"rejected": State.REJECTED, "cancelled": State.CANCELLED}


def order_body(trip: Trip) -> dict[str, Any]:
    """The recorded trip as `POST /orders` takes it: one TATA ACE from its pickup to its drop."""
    km = round(road_km(trip.pickup, trip.drop), 2)
    truck = {
        "vehicleType": "TRUCK",
        "vehicleSubtype": "TATA_ACE",
        "quantity": 1,
        "pricePerTruck": round(FLAG_FALL + FARE_PER_KM * km, 2),
    }
    return {
        "pickup": point(trip.pickup, "Pickup"),
        "drop": point(trip.drop, "Drop"),
        "distanceKm": km,
        "vehicleRequirements": [truck],
        "goodsType": "Replayed trip",
    }


def _rejection(order: dict[str, Any]) -> str:
    said = order.get("rejection")
    return str(said.get("code")) if isinstance(said, dict) else str(said or "")


class Customer:
    """Posts one order and listens until it has ended."""

    def __init__(self, world: World, trip: Trip) -> None:
        self._world = world
        self._ledger = world.ledger
        self._trip = trip
        self._bearer = world.tokens.bearer(f"replay-{world.run}-{trip.line}", "customer")
        self.order = Order(trip.line, f"replay-{world.run}-{trip.line}", trip.duration_s)
        self._ended = asyncio.Event()
        self._socket = Socket(
            world.api.socket_url, lambda: self._bearer, self._hear, world.ledger.customer_sockets
        )

    async def live(self) -> None:
        """From opening the app to the end of the order."""
        listening = self._world.spawn(self._socket.stay_connected())
        try:
            await self._world.clock.until(self._trip.requested_at)
            if self._world.closing:
                return
            self._ledger.open(self.order)
            await self._place()
            if self.order.state not in FINAL:
                await self._ended.wait()
        finally:
            listening.cancel()

    async def _place(self) -> None:
        world, order = self._world, self.order
        order.driver_near = world.free_driver_within(self._trip.pickup, NEAR_KM)
        order.connected_throughout = self._socket.connected
        order.late_s = -world.clock.seconds_until(self._trip.requested_at)
        order.posted_at = world.clock.wall()
        answer = await world.api.send(
            "POST", "/orders", self._bearer, order_body(self._trip), order.customer_id
        )
        order.answered_at = world.clock.wall()
        order.answer_status, order.tries = answer.status, answer.tries
        if not answer.ok:
            self._refused(answer)
            return
        self._ledger.identify(order, answer.data["order"]["id"])
        if answer.status == 202:
            self._move(State.QUEUED)
            await self._wait_for_placing()
        else:
            self._placed()

    def _refused(self, answer: Answer) -> None:
        self.order.code = answer.code
        self._move(State.REFUSED if answer.status else State.UNANSWERED)
        if answer.broken:
            self._ledger.failed(f"POST /orders: {answer.code}")

    def _placed(self) -> None:
        self._move(State.SEARCHING)

    async def _wait_for_placing(self) -> None:
        for _ in range(POLLS):
            answer = await self._world.api.send("GET", f"/orders/{self.order.order_id}", self._bearer)
            seen = answer.data.get("order", {})
            status = seen.get("status", "queued")
            if status in REFUSED_LATER:
                self.order.code = _rejection(seen) or status
                self._move(REFUSED_LATER[status])
                return
            if status != "queued":
                self._placed()
                return
            await asyncio.sleep(POLL_S)

    def _move(self, state: State) -> None:
        self._ledger.move(self.order, state)
        if self.order.state in FINAL:
            self._ended.set()

    def _hear(self, message: Message) -> None:
        hear = HEARD.get(message.type)
        if hear:
            hear(self, message.data)

    def _hear_confirmed(self, data: dict[str, Any]) -> None:
        self.order.told_driver = data["driver"]["id"]
        self.order.told_truck = data["truckRequestId"]
        self.order.filled_at = self.order.filled_at or self._world.clock.wall()
        self._move(State.RUNNING)

    def _hear_status(self, data: dict[str, Any]) -> None:
        status = data["status"]
        if status in TRIP_STEPS:
            self.order.told_trip = status
        if status == "completed":
            self._move(State.COMPLETED)

    def _hear_expired(self, _data: dict[str, Any]) -> None:
        self.order.told_end = "order_expired"
        self._move(State.EXPIRED)

    def _hear_error(self, data: dict[str, Any]) -> None:
        self._ledger.socket_errors[f"customer: {data.get('code')}"] += 1


HEARD = {
    "truck_confirmed": Customer._hear_confirmed,
    "assignment_status_changed": Customer._hear_status,
    "order_expired": Customer._hear_expired,
    "error": Customer._hear_error,
}
