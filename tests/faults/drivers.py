"""Drivers on real sockets: they take some offers, finish some trips, give some back, ignore the rest."""

import asyncio
from typing import Any

from tests.faults.http import Answer, Client, Cut
from tests.faults.scene import TYPE, World, token
from tests.faults.sockets import Frame, Listener
from tests.scenes import NOIDA

STEPS = ("en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed")
# Refusals after which the trip or the offer is simply not theirs any more.
TRIES = 40


class Driver:
    """One driver and their app."""

    def __init__(self, world: World, sub: str, subtype: str, number: int) -> None:
        self.world, self.sub, self.subtype = world, sub, subtype
        self._client = Client(token("driver", sub))
        self._here = {"latitude": NOIDA[0] + 0.002 * (number + 1), "longitude": NOIDA[1]}
        beat = {"type": "update_location", "data": self._here}
        self.listener = Listener(world, "driver", sub, self._take, beat)
        self._busy: asyncio.Task[None] | None = None

    async def register(self) -> None:
        """Registers and wants work. Raises AssertionError if that is refused."""
        registration = {
            "name": self.sub,
            "phone": "+911234567890",
            "vehicleType": TYPE,
            "vehicleSubtype": self.subtype,
            "vehicleNumber": "DL 1 AB 1234",
        }
        wanted: list[tuple[str, str, Any]] = [
            ("PUT", "/drivers/me", registration),
            ("PUT", "/drivers/me/availability", {"available": True}),
            ("POST", "/drivers/me/locations", {"locations": [self._here]}),
        ]
        for method, path, body in wanted:
            answer = await self._client.request(self.world.port(), method, path, body)
            assert answer.status == 200, answer.body

    async def run(self) -> None:
        try:
            await self.listener.run()
        finally:
            self.leave()

    def leave(self) -> None:
        self._client.close()

    async def _take(self, frame: Frame) -> None:
        if self._busy and not self._busy.done():
            return
        data = frame["data"]
        if frame["type"] == "connected" and data["currentTrip"]:
            self._busy = asyncio.create_task(self._drive(data["currentTrip"]["truckRequestId"]))
        elif frame["type"] == "new_broadcast" and self.world.random.random() < 0.4:
            self._busy = asyncio.create_task(self._answer(data))

    async def _answer(self, offer: dict[str, Any]) -> None:
        await asyncio.sleep(self.world.random.uniform(0, 0.4))
        order = offer["orderId"]
        if self.world.random.random() < 0.2:
            await self._post(f"/orders/{order}/decline", {})
            return
        if self.world.random.random() < 0.3:
            await self.listener.send("accept_broadcast", orderId=order)
        answer = await self._post(f"/orders/{order}/accept", {})
        if answer and answer.status == 200:
            self.world.ledger.wins.add((self.sub, order))
            await self._drive(answer.data["truckRequestId"])

    async def _drive(self, truck: str) -> None:
        if self.world.random.random() < 0.3:
            await asyncio.sleep(self.world.random.uniform(0, 1))
            await self._post(f"/trips/{truck}/cancel", {"reason": "a flat tyre"})
            return
        for status in STEPS:
            await asyncio.sleep(self.world.random.uniform(0.05, 0.3))
            answer = await self._post(f"/trips/{truck}/status", {"status": status})
            if answer is None or answer.status == 404 or answer.code == "ORDER_CANCELLED":
                return

    async def _post(self, path: str, body: dict[str, Any]) -> Answer | None:
        """Asks until it is answered: all of these may be asked twice."""
        for _ in range(TRIES):
            try:
                answer = await self._client.request(self.world.port(), "POST", path, body)
            except Cut:
                await asyncio.sleep(0.2)
                continue
            if answer.status == 500:
                self.world.ledger.problem("500 to a driver", f"{path}: {answer.body[:200]!r}")
            if answer.status != 503:
                return answer
            await asyncio.sleep(self.world.random.uniform(0.3, 1))
        return None
