"""A customer of the city: one order, from the wish to the last truck's arrival."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from weelo_client import AsyncCustomer, Event, NoAnswer, Queued, Refused, RequestRefused
from weelo_client.shapes import NewOrder

if TYPE_CHECKING:
    from tools.demo.city import City

REASON = "the demonstration is over"


class Customer:
    """Posts one order, listens until it has ended, and calls it off when the city stops."""

    def __init__(self, city: "City", number: int, body: NewOrder) -> None:
        self._city, self._ledger, self._body = city, city.ledger, body
        self._id = f"demo-{city.run_name}-{number}"
        self._app = AsyncCustomer(city.url, city.token("customer", self._id), city.http)
        self._socket = self._app.socket()
        self.trucks = sum(need["quantity"] for need in body["vehicleRequirements"])
        self._trucks: dict[str, str] = {}
        self._posted_at = 0.0
        self._counted_as = ""
        self.order_id = ""
        self._served = False
        # Still to be called off when the city stops.
        self.open = True
        # Its search is over: its trucks may leave.
        self.complete = asyncio.Event()
        self._ended = asyncio.Event()

    async def live(self) -> None:
        self._city.customers[self._id] = self
        listening = self._city.spawn(self._listen(), "customer's socket")
        try:
            await self._order()
            if self.order_id:
                await self._until_ended_or_stopped()
        finally:
            self.open = False
            listening.cancel()
            self._city.customers.pop(self._id, None)
            self._ledger.heard.pop(self.order_id, None)

    async def _order(self) -> None:
        self._posted_at = time.monotonic()
        try:
            result = await self._app.order(self._body)
        except NoAnswer:
            self._count("refused", "no answer")
            return
        if isinstance(result, Refused):
            self._count("refused", result.code)
            return
        self._ledger.placed += 1
        self._ledger.queued_first += isinstance(result, Queued)
        self.order_id = result.order["id"]
        if not self._counted_as:
            self._count("searching")

    async def _until_ended_or_stopped(self) -> None:
        ended = asyncio.ensure_future(self._ended.wait())
        stopped = asyncio.ensure_future(self._city.stopping.wait())
        try:
            await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not self._ended.is_set():
                await self._call_off()
            self.open = False
            await ended
        finally:
            ended.cancel()
            stopped.cancel()

    async def _call_off(self) -> None:
        try:
            await self._app.cancel(self.order_id, REASON)
            self._end("cancelled")
        except RequestRefused:
            # A load is on a truck, or it has just ended: the socket says how.
            return

    async def _listen(self) -> None:
        try:
            async for event in self._socket:
                self._hear(event)
        finally:
            await self._socket.close()

    def _hear(self, event: Event) -> None:
        hear = HEARD.get(event.type)
        if hear:
            hear(self, event.data)

    def _hear_confirmed(self, data: dict[str, Any]) -> None:
        if not self._served:
            self._served = True
            self._ledger.first_truck_s.append(time.monotonic() - self._posted_at)
            if data["orderId"] in self._ledger.heard:
                waited = self._ledger.heard[data["orderId"]] - self._posted_at
                self._ledger.first_offer_s.append(waited)
        self._trucks[data["truckRequestId"]] = "assigned"
        if data["trucksFilled"] == data["totalTrucks"]:
            self.complete.set()
            self._count("under_way")

    def _hear_status(self, data: dict[str, Any]) -> None:
        truck, status = data["truckRequestId"], data["status"]
        if status == "searching":
            self._trucks.pop(truck, None)
            self.complete.clear()
            self._count("searching")
            return
        self._trucks[truck] = status
        if self.complete.is_set() and set(self._trucks.values()) == {"completed"}:
            self._end("completed" if len(self._trucks) == self.trucks else "partly filled")

    def _hear_expired(self, _: dict[str, Any]) -> None:
        self._end("expired")

    def _hear_partly(self, _: dict[str, Any]) -> None:
        self.complete.set()
        if set(self._trucks.values()) == {"completed"}:
            self._end("partly filled")

    def _end(self, how: str) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self._count("ended", how)

    def _count(self, place: str, detail: str = "") -> None:
        """Moves the order to another column of the ledger."""
        if self._counted_as == "searching":
            self._ledger.searching -= 1
        elif self._counted_as == "under_way":
            self._ledger.under_way -= 1
        self._counted_as = place
        if place == "searching":
            self._ledger.searching += 1
        elif place == "under_way":
            self._ledger.under_way += 1
        else:
            counts = self._ledger.ended if place == "ended" else self._ledger.refused
            counts[detail] += 1


HEARD = {
    "truck_confirmed": Customer._hear_confirmed,
    "assignment_status_changed": Customer._hear_status,
    "order_expired": Customer._hear_expired,
    "broadcast_expired": Customer._hear_partly,
}
