"""One person's socket as an iterator: ``async for event in customer.socket(): ...``."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from weelo_client.aio.closing import AsyncClosing
from weelo_client.aio.waiting import AsyncFlag, AsyncPulse, receive_now
from weelo_client.frames import Event
from weelo_client.stream import HEARTBEAT_S, OPEN_TIMEOUT_S, Stream, frame


class AsyncEvents(AsyncClosing):
    """Yields every event once, in order, across reconnects, until :meth:`close` is called.

    An event is acknowledged when the next one is asked for, so one whose handling was cut short comes
    again. A loop may be left and another begun: the connection stays. Raises ``TokenExpired`` and
    ``Replaced`` (close codes 4401 and 4409), ``SocketRefused`` and ``SocketEnded`` where coming back
    would not help.
    """

    def __init__(
        self, url: str, token: str, last_event_id: int | None = None, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._url, self._token = url, token
        self._stream = Stream(last_event_id)
        self._heartbeat_s = heartbeat_s
        self._closed = AsyncFlag()
        self._connection: ClientConnection | None = None
        self._events = self._across_connections()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    @property
    def last_event_id(self) -> int | None:
        """What the loop has finished with; keep it to resume in another process."""
        return self._stream.last_event_id

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def _across_connections(self) -> AsyncGenerator[Event, None]:
        while not self._closed.is_set():
            pause = 0.0
            try:
                async with (
                    connect(self._stream.address(self._url), **self._options()) as connection,
                    aclosing(self._listen(connection)) as events,
                ):
                    async for event in events:
                        yield event
            except ConnectionClosed as ended:
                pause = 0.0 if self._closed.is_set() else self._stream.lost(*_said(ended))
            except InvalidStatus as refused:
                pause = self._stream.refused(refused.response.status_code, refused.response.body or b"")
            except (OSError, TimeoutError, WebSocketException):
                pause = self._stream.lost(None)
            await self._closed.within(pause)

    async def send(self, kind: str, **data: Any) -> bool:
        """Sends a frame; False if there is no connection now. From any task."""
        connection = self._connection
        if connection is None:
            return False
        try:
            await connection.send(frame(kind, data))
        except ConnectionClosed:
            return False
        return True

    async def close(self) -> None:
        """Ends the iteration, from any task; the event in hand is not acknowledged."""
        self._closed.set()
        if connection := self._connection:
            await connection.close()
        # In another task's hands it ends by itself, now that its connection has.
        with suppress(RuntimeError):
            await self._events.aclose()

    def _options(self) -> dict[str, Any]:
        return {
            "additional_headers": {"Authorization": f"Bearer {self._token}"},
            "compression": None,
            "open_timeout": OPEN_TIMEOUT_S,
            "close_timeout": 2,
            "proxy": None,
        }

    async def _listen(self, connection: ClientConnection) -> AsyncGenerator[Event, None]:
        self._connection = connection
        pulse = AsyncPulse(partial(self._beat, connection), self._heartbeat_s)
        try:
            while not self._closed.is_set():
                if event := self._stream.read(await self._receive(connection)):
                    yield event
                    self._stream.finished(event)
        finally:
            self._connection = None
            with suppress(ConnectionClosed):
                await self._acknowledge(connection, idle=True)
            await pulse.stop()

    async def _receive(self, connection: ClientConnection) -> str | bytes:
        """The next frame. While there is none, what is finished is acknowledged."""
        await self._acknowledge(connection, idle=False)
        try:
            return await receive_now(connection)
        except TimeoutError:
            await self._acknowledge(connection, idle=True)
            return await connection.recv()

    async def _acknowledge(self, connection: ClientConnection, idle: bool) -> None:
        if due := self._stream.acknowledgement(idle):
            await connection.send(due)

    async def _beat(self, connection: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            await connection.send(frame("heartbeat", {}))


def _said(ended: ConnectionClosed) -> tuple[int | None, str]:
    """The code and the reason that the server closed with, if it did."""
    return (ended.rcvd.code, ended.rcvd.reason) if ended.rcvd else (None, "")
