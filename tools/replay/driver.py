"""A driver: the recorded cab with a phone. They move, get offers, and accept the nearest one."""

import asyncio
from typing import Any

from tools.replay.cabs import Cab, Whereabouts
from tools.replay.driving import Job, drive
from tools.replay.ledger import TRIP_STEPS, Won
from tools.replay.offers import OpenOffers, Replies
from tools.replay.positions import POSITION_EVERY_S, TRIP_POSITION_EVERY_S, Positions
from tools.replay.sockets import Message, Socket
from tools.replay.world import World

# Reading an offer and deciding takes a person this long. It is real time and not recorded time: it
# runs against the search of 60 s and the waves of 10 s, which are real too. (Divided by the speed, the
# ten drivers asked would all answer within milliseconds, which no crowd of people does.)
REACTION_S = (1.0, 4.0)

# Without a connection they look at the phone again after this time.
OFFLINE_PAUSE_S = 0.5
# How an accept may fail without anybody being at fault.
REFUSALS = frozenset(
    {"TRUCK_TAKEN", "ORDER_EXPIRED", "ORDER_CANCELLED", "DRIVER_BUSY", "SERVICE_UNAVAILABLE"}
)

VEHICLE = {"vehicleType": "TRUCK", "vehicleSubtype": "TATA_ACE"}


class Driver:
    """One cab of the recording. ``number`` is its place in ``world.drivers``."""

    def __init__(self, world: World, cab: Cab, number: int) -> None:
        self.id = f"replay-{world.run}-{cab.driver_id}"
        self.number = number
        self.whereabouts = Whereabouts(cab.track)
        self.trip: Job | None = None
        self.on_duty = False
        self._world = world
        self._cab = cab
        self._bearer = world.tokens.bearer(self.id, "driver")
        self._dice = world.chance(cab.driver_id)
        self._socket = Socket(
            world.api.socket_url, lambda: self._bearer, self._hear, world.ledger.driver_sockets
        )
        self._positions = Positions(world.clock, self.whereabouts, self._socket)
        self._offers = OpenOffers()
        self._replies = Replies(world.api, self._bearer, self._socket, self._dice)
        self._deciding: asyncio.Task[None] | None = None
        self._driving: asyncio.Task[None] | None = None
        self._asked_for: set[str] = set()
        self._taken_up: set[str] = set()

    @property
    def begins(self) -> float:
        """When the shift begins, in recorded time."""
        return self._cab.shift.begins

    @property
    def online(self) -> bool:
        return self.on_duty and self._socket.connected

    @property
    def free(self) -> bool:
        return self.online and self.trip is None

    async def register(self) -> None:
        """Registers the driver, off duty."""
        person = {"name": f"Driver {self.id}"[:60], "phone": f"+9190{self.number:08d}"}
        number = f"RP01AA{self.number:04d}"
        await self._put("/drivers/me", {**person, **VEHICLE, "vehicleNumber": number})

    async def work(self) -> None:
        """The shift, from the first ping to the end that the recording gives it."""
        await self._world.clock.until(self.begins)
        listening = self._world.spawn(self._socket.stay_connected())
        try:
            await self._socket.opened.wait()
            await self._put("/drivers/me/availability", {"available": True})
            self.on_duty = True
            self._consider()
            await self._report_positions()
        finally:
            self.on_duty = False
            listening.cancel()
        await self.leave()

    def park(self) -> None:
        """Stops what is planned: no more accepts, no more steps of a trip. The phone stays on."""
        for task in (self._deciding, self._driving):
            if task:
                task.cancel()

    async def leave(self) -> None:
        """Goes off duty, so that no later order is offered to nobody."""
        await self._put("/drivers/me/availability", {"available": False})

    async def settle(self) -> None:
        """Ends what the system says that this driver still has, whatever their phone has noticed of it."""
        send = self._world.api.send
        answer = await send("GET", "/drivers/me", self._bearer)
        if trip := answer.data.get("currentTrip"):
            path = f"/trips/{trip['truckRequestId']}/status"
            for step in TRIP_STEPS[TRIP_STEPS.index(trip["status"]) + 1 :]:
                await send("POST", path, self._bearer, {"status": step})
        if answer.data.get("driver", {}).get("available"):
            await self.leave()

    async def _put(self, path: str, body: dict[str, Any]) -> None:
        answer = await self._world.api.send("PUT", path, self._bearer, body)
        if not answer.ok:
            self._world.ledger.failed(f"PUT {path}: {answer.code}")

    async def _report_positions(self) -> None:
        clock = self._world.clock
        while self.trip or clock.now() < self._cab.shift.ends:
            await self._positions.say()
            await asyncio.sleep(TRIP_POSITION_EVERY_S if self.trip else POSITION_EVERY_S)

    def _hear(self, message: Message) -> None:
        hear = HEARD.get(message.type)
        if hear:
            hear(self, message.data)

    def _hear_connected(self, data: dict[str, Any]) -> None:
        for offer in data.get("openBroadcasts") or []:
            self._hear_offer(offer)
        if data.get("currentTrip"):
            self._take_up(Job.told(data["currentTrip"]))

    def _hear_offer(self, data: dict[str, Any]) -> None:
        now = self._world.clock.wall()
        self._world.ledger.offered(data["orderId"], self.number, now)
        self._offers.add(data, now, self._dice.uniform(*REACTION_S))
        self._consider()

    def _hear_assigned(self, data: dict[str, Any]) -> None:
        # Mostly the second to say so; the only one when the answer to the accept was lost. One that
        # was not asked for in this replay is repeated from an earlier one, and may be over.
        if data["orderId"] in self._asked_for:
            self._take_up(Job.told(data))

    def _hear_end(self, data: dict[str, Any]) -> None:
        self._offers.drop(data["orderId"])

    def _hear_confirmation(self, data: dict[str, Any]) -> None:
        self._replies.hear(data)

    def _hear_error(self, data: dict[str, Any]) -> None:
        self._world.ledger.socket_errors[f"driver: {data.get('code')}"] += 1

    def _consider(self) -> None:
        if self._offers and not self._deciding and not self.trip and not self._world.closing:
            self._deciding = self._world.spawn(self._decide())

    async def _decide(self) -> None:
        """Reads, asks for the nearest offer that was read, and so on until one is won or none is left."""
        try:
            while self._offers and self.on_duty and not self.trip:
                await asyncio.sleep(self._reading_s())
                if self.free:
                    await self._ask_for_nearest()
        finally:
            self._deciding = None

    def _reading_s(self) -> float:
        reading = self._offers.next_read_at() - self._world.clock.wall()
        return max(0.0 if self.online else OFFLINE_PAUSE_S, reading)

    async def _ask_for_nearest(self) -> None:
        clock = self._world.clock
        offer = self._offers.take_nearest(self.whereabouts.at(clock.now()), clock.wall())
        if offer is None:
            return
        self._asked_for.add(offer.order_id)
        reply = await self._replies.accept(offer)
        self._count(reply.code)
        if not reply.code:
            truck = reply.truck_request_id or offer.truck_request_id
            self._take_up(Job(offer.order_id, truck, offer.pickup, offer.drop))
            await self._replies.pass_over(self._offers.clear())

    def _count(self, code: str) -> None:
        self._world.ledger.accepts[code or "won"] += 1
        if code and code not in REFUSALS:
            self._world.ledger.failed(f"accept: {code}")

    def _take_up(self, job: Job) -> None:
        """Starts a trip that was won, however that is learned, and once."""
        won = self._world.ledger.won_by(job.order_id, self.id, job.truck_request_id)
        if not (self.trip or job.order_id in self._taken_up or self._world.closing):
            self._taken_up.add(job.order_id)
            self.trip = job
            self._driving = self._world.spawn(self._drive(job, won))

    async def _drive(self, job: Job, won: Won) -> None:
        try:
            await drive(self._world, self._bearer, self.whereabouts, job, won)
        finally:
            self.trip = None
        self._consider()


HEARD = {
    "connected": Driver._hear_connected,
    "new_broadcast": Driver._hear_offer,
    "trip_assigned": Driver._hear_assigned,
    "accept_confirmation": Driver._hear_confirmation,
    "request_no_longer_available": Driver._hear_end,
    "order_expired": Driver._hear_end,
    "order_cancelled": Driver._hear_end,
    "error": Driver._hear_error,
}
