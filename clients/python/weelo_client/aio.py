"""The same two apps for asyncio: hundreds of them share one thread and one pool of connections."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from weelo_client import calls
from weelo_client.doors import PATIENCE_S, AsyncDoor
from weelo_client.events import OPEN_TIMEOUT_S, reason_of
from weelo_client.frames import Event
from weelo_client.results import OrderResult
from weelo_client.shapes import (
    Accepted,
    Broadcast,
    DriverView,
    Me,
    NewOrder,
    NoOrder,
    OrderPage,
    OrderStory,
    OrderView,
    Position,
    Received,
    Registration,
    Track,
    TripState,
    TripStep,
)
from weelo_client.stream import HEARTBEAT_S, Stream, frame


class AsyncEvents:
    """``async for event in customer.socket(): ...``, in every respect as :class:`Events`."""

    def __init__(
        self, url: str, token: str, last_event_id: int | None = None, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._url, self._token = url, token
        self._stream = Stream(last_event_id)
        self._heartbeat_s = heartbeat_s
        self._closed = False
        self._connection: ClientConnection | None = None
        self._events = self._across_connections()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def last_event_id(self) -> int | None:
        return self._stream.last_event_id

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def _across_connections(self) -> AsyncGenerator[Event, None]:
        while not self._closed:
            try:
                async with self._connect() as connection, aclosing(self._listen(connection)) as events:
                    async for event in events:
                        yield event
            except ConnectionClosed as ended:
                code = ended.rcvd.code if ended.rcvd else None
                pause = 0.0 if self._closed else self._stream.lost(code, reason_of(ended))
            except InvalidStatus as refused:
                pause = self._stream.refused(refused.response.status_code, refused.response.body or b"")
            except (OSError, TimeoutError, WebSocketException):
                pause = self._stream.lost(None)
            else:
                pause = 0.0
            await asyncio.sleep(pause)

    async def send(self, kind: str, **data: Any) -> bool:
        """Sends a frame; False if there is no connection now."""
        connection = self._connection
        if connection is None:
            return False
        try:
            await connection.send(frame(kind, data))
        except ConnectionClosed:
            return False
        return True

    async def close(self) -> None:
        self._closed = True
        if connection := self._connection:
            await connection.close()
        # In another task's hands it ends by itself, now that its connection has.
        with suppress(RuntimeError):
            await self._events.aclose()

    def _connect(self) -> connect:
        return connect(
            self._stream.address(self._url),
            additional_headers={"Authorization": f"Bearer {self._token}"},
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=2,
            proxy=None,
        )

    async def _listen(self, connection: ClientConnection) -> AsyncGenerator[Event, None]:
        self._connection = connection
        beating = asyncio.ensure_future(self._beat(connection))
        try:
            while not self._closed:
                if event := self._stream.read(await self._receive(connection)):
                    yield event
                    self._stream.finished(event)
        finally:
            self._connection = None
            beating.cancel()
            with suppress(ConnectionClosed):
                await self._acknowledge(connection, idle=True)

    async def _receive(self, connection: ClientConnection) -> str | bytes:
        await self._acknowledge(connection, idle=False)
        receiving = asyncio.ensure_future(connection.recv())
        try:
            # Once round the loop: what has arrived already is taken before anything is acknowledged.
            await asyncio.sleep(0)
            if not receiving.done():
                await self._acknowledge(connection, idle=True)
            return await receiving
        finally:
            receiving.cancel()

    async def _acknowledge(self, connection: ClientConnection, idle: bool) -> None:
        if due := self._stream.acknowledgement(idle):
            await connection.send(due)

    async def _beat(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            with suppress(ConnectionClosed):
                await connection.send(frame("heartbeat", {}))


class AsyncCustomer:
    """As :class:`Customer`, awaited."""

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
        return await self._door.do(calls.order(body, key, at_once, wait), within)

    async def get(self, order_id: str) -> OrderView:
        return await self._door.do(calls.get(order_id))

    async def active(self) -> OrderView | NoOrder:
        return await self._door.do(calls.active())

    async def list(
        self, limit: int | None = None, cursor: str | None = None, status: str | None = None
    ) -> OrderPage:
        return await self._door.do(calls.orders(limit, cursor, status))

    async def events(self, order_id: str, cursor: str | None = None) -> OrderStory:
        return await self._door.do(calls.story(order_id, cursor))

    async def track(self, truck_request_id: str, after: str | None = None) -> Track:
        return await self._door.do(calls.track(truck_request_id, after))

    async def cancel(self, order_id: str, reason: str = "cancelled by the customer") -> OrderView:
        return await self._door.do(calls.cancel(order_id, reason))

    def socket(self, last_event_id: int | None = None) -> AsyncEvents:
        return AsyncEvents(self._door.url, self._door.token, last_event_id)

    async def close(self) -> None:
        await self._door.close()


class AsyncDriver:
    """As :class:`Driver`, awaited."""

    def __init__(self, url: str, token: str, http: httpx.AsyncClient | None = None) -> None:
        self._door = AsyncDoor(url, token, "driver", http)

    async def register(self, registration: Registration) -> DriverView:
        return await self._door.do(calls.register(registration))

    async def available(self, wants_work: bool = True) -> DriverView:
        return await self._door.do(calls.available(wants_work))

    async def me(self) -> Me:
        return await self._door.do(calls.me())

    async def broadcasts(self) -> Sequence[Broadcast]:
        return await self._door.do(calls.broadcasts())

    async def report(self, *positions: Position) -> Received:
        return await self._door.do(calls.report(positions))

    async def accept(self, order_id: str, truck_request_id: str | None = None) -> Accepted:
        return await self._door.do(calls.accept(order_id, truck_request_id))

    async def decline(self, order_id: str) -> None:
        await self._door.do(calls.decline(order_id))

    async def advance(self, truck_request_id: str, status: TripStep) -> TripState:
        return await self._door.do(calls.advance(truck_request_id, status))

    async def give_back(self, truck_request_id: str, reason: str = "given back by the driver") -> TripState:
        return await self._door.do(calls.give_back(truck_request_id, reason))

    async def track(self, truck_request_id: str, after: str | None = None) -> Track:
        return await self._door.do(calls.track(truck_request_id, after))

    def socket(self, last_event_id: int | None = None) -> AsyncEvents:
        return AsyncEvents(self._door.url, self._door.token, last_event_id)

    async def close(self) -> None:
        await self._door.close()
