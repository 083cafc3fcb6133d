"""A driver of the city: cruises, gets offers, takes one now and then, and drives it."""

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from weelo_client import AsyncDriver, Event, NoAnswer, RequestRefused, WeeloError
from weelo_client.shapes import KnownPlace

from tools.demo import demand, streets
from tools.replay.places import Place

if TYPE_CHECKING:
    from tools.demo.city import City
    from tools.demo.customer import Customer

NAMES = ("Ravi", "Asha", "Imran", "Sunita", "Gurpreet", "Meena", "Arjun", "Farah", "Vikram", "Lakshmi")
TICK_S = 1.0
POSITION_EVERY_TICKS = 2
# Reading an offer and deciding takes a person this long, however fast the city lives.
REACTION_S = (1.0, 4.0)
# An order of nobody in the city is left for this long to a person who plays driver against the same system.
STRANGERS_FIRST_S = 20.0
# One of eight offers is not to a driver's taste; one of forty trucks breaks down on its way.
DECLINES, BREAKS_DOWN = 0.12, 0.025
# A free driver waits at a corner about this long before cruising on (seconds of the trucks' clock).
WAITS_S = 300.0
LOADED = frozenset({"in_transit", "arrived_at_drop"})


class Driver:
    """One truck and its driver."""

    def __init__(self, city: "City", number: int) -> None:
        self._city, self._ledger = city, city.ledger
        self._id, self._number = f"demo-{city.crew}-driver-{number}", number
        self._dice = random.Random(f"{city.options.seed}:{number}")
        self._truck = streets.Truck(streets.any_crossing(self._dice), self._dice)
        self._app = AsyncDriver(city.url, city.token("driver", self._id), city.http)
        self._socket = self._app.socket()
        self._trip: dict[str, Any] | None = None
        self._driving: asyncio.Task[None] | None = None
        self._asking = False
        self._gone: set[str] = set()
        self._asked_for: set[str] = set()

    @property
    def online(self) -> bool:
        return self._socket.connected

    @property
    def busy(self) -> bool:
        return self._trip is not None

    @property
    def unloaded(self) -> bool:
        """On a trip that its customer may still call off."""
        return self._trip is not None and self._trip["status"] not in LOADED

    async def register(self) -> None:
        await self._app.register(
            {
                "name": f"{NAMES[self._number % len(NAMES)]} {self._number}",
                "phone": f"+9190{self._number:08d}",
                "vehicleType": "TRUCK",
                "vehicleSubtype": demand.vehicle(self._number),
                "vehicleNumber": f"DM 01 {self._number:04d}",
            }
        )

    async def begin(self) -> None:
        """On duty, from somewhere in the city."""
        await self.register()
        await self._app.available()
        self._city.spawn(self._listen(), "driver's socket")
        self._city.spawn(self._move(), "driver's truck")

    async def leave(self) -> None:
        """Off duty, which withdraws the open offers, and disconnects."""
        await self._app.available(False)
        await self._socket.close()

    async def _listen(self) -> None:
        try:
            async for event in self._socket:
                self._hear(event)
        finally:
            await self._socket.close()

    async def _move(self) -> None:
        ticks = self._dice.randrange(POSITION_EVERY_TICKS)
        a_tick = demand.KMH * self._city.options.speed * TICK_S / 3600
        while True:
            self._truck.drive(a_tick)
            if self._truck.arrived and not self._trip and self._dice.random() < self._sets_off():
                self._truck.head_for(streets.any_crossing(self._dice))
            if ticks % POSITION_EVERY_TICKS == 0:
                await self._socket.send("update_location", **self._truck.place.json())
            ticks += 1
            await asyncio.sleep(TICK_S)

    def _sets_off(self) -> float:
        return TICK_S * self._city.options.speed / WAITS_S

    def _hear(self, event: Event) -> None:
        hear = HEARD.get(event.type)
        if hear:
            hear(self, event.data)

    def _hear_connected(self, data: dict[str, Any]) -> None:
        if data["currentTrip"]:
            self._take_up(data["currentTrip"])

    def _hear_offer(self, data: dict[str, Any]) -> None:
        self._ledger.offered(data["orderId"], time.monotonic())
        self._gone.discard(data["orderId"])
        self._city.spawn(self._consider(data), "driver's thinking")

    def _hear_end(self, data: dict[str, Any]) -> None:
        self._gone.add(data["orderId"])
        if self._trip and self._trip["orderId"] == data["orderId"] and self._driving:
            self._driving.cancel()

    def _hear_assigned(self, data: dict[str, Any]) -> None:
        # Mostly the second to say so. One that this driver did not ask for is repeated from an earlier run.
        if data["orderId"] in self._asked_for:
            self._take_up(data)

    async def _consider(self, offer: dict[str, Any]) -> None:
        """Reads the offer for some seconds and accepts it, unless it is gone or the driver has another."""
        await asyncio.sleep(self._dice.uniform(*REACTION_S))
        if self._customer(offer) is None:
            await asyncio.sleep(STRANGERS_FIRST_S)
        order_id = offer["orderId"]
        if order_id in self._gone or self._trip or self._asking or self._city.stopping.is_set():
            return
        self._asking = True
        try:
            if self._dice.random() < DECLINES:
                await self._app.decline(order_id)
            else:
                self._asked_for.add(order_id)
                won = await self._app.accept(order_id, offer["truckRequestId"])
                self._take_up(dict(won["trip"]))
        except (RequestRefused, NoAnswer):
            # Another was faster, or the search is over; if it was won after all, the socket reports it.
            return
        finally:
            self._asking = False

    def _take_up(self, trip: dict[str, Any]) -> None:
        if self._trip is None:
            self._trip = dict(trip)
            self._ledger.trucks_won += 1
            self._driving = self._city.spawn(self._drive(self._trip), "driver's trip")

    async def _drive(self, trip: dict[str, Any]) -> None:
        """To the pickup, with the load to the drop; or less, if it is called off."""
        try:
            if trip["status"] == "assigned":
                await self._step(trip, "en_route_pickup")
            if trip["status"] == "en_route_pickup":
                await self._to(trip["pickup"])
                if self._breaks_down(trip):
                    await self._app.give_back(trip["truckRequestId"], "a breakdown on the way")
                    return
                await self._step(trip, "at_pickup")
            if trip["status"] == "at_pickup":
                await self._load(trip)
                await self._step(trip, "in_transit")
            if trip["status"] == "in_transit":
                await self._to(trip["drop"])
                await self._step(trip, "arrived_at_drop")
            await self._city.pause(demand.LOADING_S / self._city.options.speed)
            await self._step(trip, "completed")
        except (RequestRefused, NoAnswer) as error:
            if not _called_off(error):
                self._ledger.failures[f"trip: {error}"] += 1
        finally:
            self._trip = self._driving = None

    async def _step(self, trip: dict[str, Any], status: Any) -> None:
        await self._app.advance(trip["truckRequestId"], status)
        trip["status"] = status

    async def _to(self, place: KnownPlace) -> None:
        there = place["coordinates"]
        self._truck.head_for(streets.nearest(Place(there["latitude"], there["longitude"])))
        while not self._truck.arrived and not self._city.hurrying.is_set():
            await self._city.pause(TICK_S)

    async def _load(self, trip: dict[str, Any]) -> None:
        """The trucks of one order leave together: one with a load on its way cannot be called off."""
        await self._city.pause(demand.LOADING_S / self._city.options.speed)
        customer = self._customer(trip)
        while customer and not customer.complete.is_set() and not self._city.hurrying.is_set():
            await self._city.pause(TICK_S)

    def _breaks_down(self, trip: dict[str, Any]) -> bool:
        customer = self._customer(trip)
        alone = customer is not None and customer.trucks == 1
        return alone and not self._city.stopping.is_set() and self._dice.random() < BREAKS_DOWN

    def _customer(self, of: dict[str, Any]) -> "Customer | None":
        """The customer of this order, if they are of this city."""
        everybody = self._city.customers.values()
        return next((customer for customer in everybody if customer.order_id == of["orderId"]), None)


def _called_off(error: WeeloError) -> bool:
    """Whether a step was refused because a cancel was on its way to us."""
    return isinstance(error, RequestRefused) and error.refusal.data.get("status") == "cancelled"


HEARD = {
    "connected": Driver._hear_connected,
    "new_broadcast": Driver._hear_offer,
    "trip_assigned": Driver._hear_assigned,
    "request_no_longer_available": Driver._hear_end,
    "order_expired": Driver._hear_end,
    "order_cancelled": Driver._hear_end,
}
