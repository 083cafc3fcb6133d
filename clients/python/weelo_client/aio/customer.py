"""The customer's app: orders, and what becomes of them."""

import httpx

from weelo_client import calls
from weelo_client.aio.closing import AsyncClosing
from weelo_client.aio.doors import AsyncDoor
from weelo_client.aio.events import AsyncEvents
from weelo_client.results import OrderResult
from weelo_client.sending import PATIENCE_S
from weelo_client.shapes import NewOrder, NoOrder, OrderPage, OrderStory, OrderView, Track


class AsyncCustomer(AsyncClosing):
    """One customer. Calls raise ``RequestRefused`` and ``NoAnswer``, except where they say otherwise."""

    def __init__(self, url: str, token: str, http: httpx.AsyncClient | None = None) -> None:
        self._door = AsyncDoor(url, token, "customer", http)

    async def order(
        self,
        body: NewOrder,
        *,
        key: str | None = None,
        at_once: bool = False,
        wait: int | None = None,
        within: float = PATIENCE_S,
    ) -> OrderResult:
        """Orders trucks, once, however often the line is cut.

        Without a ``key`` one is made. ``at_once`` asks for a 202 without waiting for the placing,
        ``wait`` for one after so many seconds. Tries again with the same key until ``within`` seconds
        have passed; raises ``Undecided`` with the key if then nobody can say.
        """
        return await self._door.do(calls.order(body, key, at_once, wait), within)

    async def get(self, order_id: str) -> OrderView:
        return await self._door.do(calls.get(order_id))

    async def active(self) -> OrderView | NoOrder:
        """The order that is not over, if there is one."""
        return await self._door.do(calls.active())

    async def list(
        self, limit: int | None = None, cursor: str | None = None, status: str | None = None
    ) -> OrderPage:
        """Own orders, newest first; ``cursor`` is the ``nextCursor`` of the page before."""
        return await self._door.do(calls.orders(limit, cursor, status))

    async def events(self, order_id: str, cursor: str | None = None) -> OrderStory:
        """Who was asked, when, and how it ended; ``cursor`` is the ``nextCursor`` of the page before."""
        return await self._door.do(calls.story(order_id, cursor))

    async def track(self, truck_request_id: str, after: str | None = None) -> Track:
        """Where the truck was while its trip was running."""
        return await self._door.do(calls.track(truck_request_id, after))

    async def cancel(self, order_id: str, reason: str = "cancelled by the customer") -> OrderView:
        """Calls the order off; when this returns it is off, and a new one can be made."""
        return await self._door.do(calls.cancel(order_id, reason))

    def socket(self, last_event_id: int | None = None) -> AsyncEvents:
        """What happens to the order, as it happens."""
        return AsyncEvents(self._door.url, self._door.token, last_event_id)

    async def close(self) -> None:
        await self._door.close()
