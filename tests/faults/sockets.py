"""A person's socket as apps keep it: always connected again, with the last id it has seen."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.faults.ledger import Heard
from tests.faults.scene import World, token

HEARTBEAT_SECONDS = 3.0

Frame = dict[str, Any]


class Listener:
    """Connects for ever and writes every frame down; ``take`` gets each of them."""

    def __init__(
        self, world: World, role: str, sub: str, take: Callable[[Frame], Awaitable[None]], beat: Frame
    ) -> None:
        self.world, self.person = world, f"{role}:{sub}"
        self.connection: ClientConnection | None = None
        self._headers = {"Authorization": f"Bearer {token(role, sub)}"}
        self._take, self._beat = take, beat
        self._last = 0
        self._number = 0
        # Cleared while this person wants no connection.
        self.wanted = asyncio.Event()
        self.wanted.set()

    async def run(self) -> None:
        while not self.world.over:
            await self.wanted.wait()
            with suppress(OSError, WebSocketException, TimeoutError, EOFError):
                await self._connect()
            await asyncio.sleep(self.world.random.uniform(0.05, 0.3))

    async def send(self, kind: str, **data: Any) -> None:
        """Sends a frame if there is a socket now."""
        if self.connection:
            try:
                await self.connection.send(json.dumps({"type": kind, "data": data}))
            except (OSError, WebSocketException):
                return

    def cut(self) -> None:
        """Ends the connection as a tunnel does: nobody says good-bye."""
        if self.connection:
            self.connection.transport.abort()

    async def _connect(self) -> None:
        query = f"?lastEventId={self._last}" if self._last else ""
        address = f"ws://127.0.0.1:{self.world.port()}/api/v1/ws{query}"
        async with connect(
            address,
            additional_headers=self._headers,
            open_timeout=5,
            close_timeout=1,
            ping_interval=None,
            compression=None,
            proxy=None,
        ) as connection:
            await self._listen(connection)

    async def _listen(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._number += 1
        spans = self.world.ledger.connected.setdefault(self.person, [])
        spans.append([time.monotonic(), float("inf")])
        beating = asyncio.create_task(self._beats())
        try:
            async for text in connection:
                await self._hear(json.loads(text))
        finally:
            spans[-1][1] = time.monotonic()
            beating.cancel()
            self.connection = None

    async def _hear(self, frame: Frame) -> None:
        data = frame.get("data", {})
        # A truck that was given back is offered again, with another end.
        parts = (str(data.get(name, "")) for name in ("orderId", "truckRequestId", "expiresAt"))
        subject = ":".join(parts)
        heard = Heard(time.monotonic(), self._number, int(frame["id"]), str(frame["type"]), subject)
        self.world.ledger.hear(self.person, heard)
        self._last = max(self._last, heard.id)
        await self._take(frame)

    async def _beats(self) -> None:
        while True:
            await self.send(self._beat["type"], **self._beat["data"])
            await asyncio.sleep(self.world.random.uniform(0.8, 1.2) * HEARTBEAT_SECONDS)
            if self.world.random.random() < 0.3 and self._last:
                await self.send("broadcast_ack", id=self._last)
