"""A robo driver: hears the offer of its order, and does what the order's script says."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, get_args

from weelo_client import AsyncDriver, Event, NoAnswer, RequestRefused
from weelo_client.shapes import TripStep

from tools.replay.places import Place, between
from tools.robo.script import Script

STEP_S = 1.0
# Where the truck is when it reaches a state: which share of the way from pickup to drop.
SHARES: Mapping[TripStep, float] = {"in_transit": 0.5, "arrived_at_drop": 1.0, "completed": 1.0}
ENDS = frozenset({"request_no_longer_available", "order_expired", "order_cancelled"})


class Driver:
    """One driver, from the first registration to the end of their one order."""

    def __init__(
        self, sub: str, app: AsyncDriver, script: Script, vehicle: Sequence[str], way: tuple[Place, Place]
    ) -> None:
        self._sub, self._app, self._script, self._vehicle = sub, app, script, vehicle
        self._pickup, self._drop = way
        self._socket = app.socket()
        self._stopping = asyncio.Event()

    async def begin(self) -> None:
        """On duty at the pickup: nobody is nearer."""
        kind, subtype = self._vehicle
        await self._app.register(
            {
                "name": f"Robo {self._sub.rpartition('-')[2]}",
                "phone": "+910000000000",
                "vehicleType": kind,
                "vehicleSubtype": subtype,
                "vehicleNumber": "ROBO 1",
            }
        )
        await self._app.available()
        await self._app.report({"latitude": self._pickup.latitude, "longitude": self._pickup.longitude})

    async def serve(self, order_id: str) -> None:
        """Answers this order's offer, or waits for its end; everybody else's is declined."""
        try:
            async for event in self._socket:
                for offer in _offers(event):
                    if offer["orderId"] != order_id:
                        await self._decline(offer["orderId"])
                    elif self._script.act != "expire":
                        return await self._answer(offer)
                if event.type in ENDS and event.data["orderId"] == order_id:
                    return self._say(event.type)
        except (RequestRefused, NoAnswer) as error:
            # Another driver was faster, or the order is off.
            self._say(str(error))

    async def stop(self) -> None:
        """Takes nothing any more; a trip that is running is driven to its end at once."""
        self._stopping.set()
        await self._socket.close()

    async def leave(self) -> None:
        """Off duty, which withdraws whatever is still offered."""
        await self._socket.close()
        await self._app.available(False)
        self._say("off duty")

    async def _answer(self, offer: Mapping[str, Any]) -> None:
        if self._script.act == "decline-all":
            await self._decline(offer["orderId"])
            return self._say("declined")
        await self._pause(self._script.after_s)
        if self._stopping.is_set():
            return
        won = await self._app.accept(offer["orderId"])
        self._say("accepted")
        await self._drive(won["truckRequestId"])

    async def _decline(self, order_id: str) -> None:
        # Gone already is as good.
        with suppress(RequestRefused):
            await self._app.decline(order_id)

    async def _drive(self, truck_request_id: str) -> None:
        for step in get_args(TripStep):
            await self._pause(STEP_S)
            here = between(self._pickup, self._drop, SHARES.get(step, 0.0))
            await self._socket.send("update_location", **here.json())
            await self._app.advance(truck_request_id, step)
            self._say(step)
            if self._script.act == "give-back":
                await self._pause(STEP_S)
                await self._app.give_back(truck_request_id, "a robo driver gives the truck back")
                return self._say("given back")

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _say(self, what: str) -> None:
        print(self._sub, what, flush=True)


def _offers(event: Event) -> Sequence[Mapping[str, Any]]:
    """Those that are open at a connect, or the new one."""
    if event.type == "connected":
        return list(event.data["openBroadcasts"])
    return [event.data] if event.type == "new_broadcast" else []
