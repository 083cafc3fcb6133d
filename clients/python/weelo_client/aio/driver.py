"""The driver's app: duty, positions, offers, trips."""

from collections.abc import Sequence

import httpx

from weelo_client import calls
from weelo_client.aio.closing import AsyncClosing
from weelo_client.aio.doors import AsyncDoor
from weelo_client.aio.events import AsyncEvents
from weelo_client.shapes import (
    Accepted,
    Broadcast,
    DriverView,
    Me,
    Position,
    Received,
    Registration,
    Track,
    TripState,
    TripStep,
)


class AsyncDriver(AsyncClosing):
    """One driver. Calls raise ``RequestRefused`` and ``NoAnswer``."""

    def __init__(self, url: str, token: str, http: httpx.AsyncClient | None = None) -> None:
        self._door = AsyncDoor(url, token, "driver", http)

    async def register(self, registration: Registration) -> DriverView:
        """Registers the driver and their vehicle; they are not available yet."""
        return await self._door.do(calls.register(registration))

    async def available(self, wants_work: bool = True) -> DriverView:
        """Goes on duty or off; going off withdraws the open offers."""
        return await self._door.do(calls.available(wants_work))

    async def me(self) -> Me:
        return await self._door.do(calls.me())

    async def broadcasts(self) -> Sequence[Broadcast]:
        """The open offers."""
        return await self._door.do(calls.broadcasts())

    async def report(self, *positions: Position) -> Received:
        """Up to 100 positions, for an app without a socket."""
        return await self._door.do(calls.report(positions))

    async def accept(self, order_id: str, truck_request_id: str | None = None) -> Accepted:
        """Takes a truck; again, once more the same success. ``TRUCK_TAKEN`` if another was first."""
        return await self._door.do(calls.accept(order_id, truck_request_id))

    async def decline(self, order_id: str) -> None:
        await self._door.do(calls.decline(order_id))

    async def advance(self, truck_request_id: str, status: TripStep) -> TripState:
        """One step of the trip; one whose answer was lost is not taken twice."""
        return await self._door.do(calls.advance(truck_request_id, status))

    async def give_back(self, truck_request_id: str, reason: str = "given back by the driver") -> TripState:
        """Returns a truck that is not loaded yet; it is searched for again, without this driver."""
        return await self._door.do(calls.give_back(truck_request_id, reason))

    async def track(self, truck_request_id: str, after: str | None = None) -> Track:
        """Where this driver was on a trip of theirs."""
        return await self._door.do(calls.track(truck_request_id, after))

    def socket(self, last_event_id: int | None = None) -> AsyncEvents:
        """Offers and what becomes of them; positions and accepts can be sent over it too."""
        return AsyncEvents(self._door.url, self._door.token, last_event_id)

    async def close(self) -> None:
        await self._door.close()
