"""One person's socket: connected again whenever it ends, each message seen once, all acknowledged."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import Close

OPEN_TIMEOUT_S = 10.0
# A laptop that slept or a server that froze would else look like a quiet day.
PING_INTERVAL_S = 30.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
# Acknowledging is cumulative, so one frame serves all that came within this time.
ACK_AFTER_S = 3.0
# Messages can come twice after a reconnect, and then soon after it.
REMEMBERED_IDS = 500

GOING_AWAY = 1001
POLICY_VIOLATION = 1008
REPLACED = 4409
# After a flood the server deserves a rest before the next try.
FLOOD_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the server."""

    type: str
    data: dict[str, Any]


class Socket:
    """Keeps one person connected. ``heard`` is called once for every message, in order.

    ``counts`` takes what happened to the connection (`connected`, `closed 1001`, `refused 401`),
    summed over everybody who shares it.
    """

    def __init__(
        self, url: str, bearer: Callable[[], str], heard: Callable[[Message], None], counts: Counter[str]
    ) -> None:
        self._url = url
        self._bearer = bearer
        self._heard = heard
        self._counts = counts
        self._connection: ClientConnection | None = None
        self._last_id: object = None
        self._seen: deque[object] = deque(maxlen=REMEMBERED_IDS)
        self._ack: asyncio.TimerHandle | None = None
        self._acking: asyncio.Task[bool] | None = None
        self._sent = 0
        self._gave_up = False
        self.opened = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def stay_connected(self) -> None:
        """Runs until cancelled, or until another connection of this person replaces it (4409).

        Somebody else is not a handshake of our own that was given up and that the server has
        finished after all: then the client reconnects.
        """
        pause = FIRST_PAUSE_S
        while (code := await self._one_connection()) != REPLACED:
            pause = min(2 * pause, LONGEST_PAUSE_S) if code is None else FIRST_PAUSE_S
            if code == POLICY_VIOLATION:
                pause = FLOOD_PAUSE_S
            # Spread out: after a restart all clients reconnect at the same moment.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))

    async def _one_connection(self) -> int | None:
        """Connects and listens to the end; the close code, or None if there was no connection."""
        try:
            async with self._connect() as connection:
                await self._listen(connection)
        except ConnectionClosed as closed:
            end = closed.rcvd or Close(1006, "no close frame")
            self._counts[f"closed {end.code} ({end.reason})"] += 1
            ours, self._gave_up = self._gave_up and end.code == REPLACED, False
            return GOING_AWAY if ours else int(end.code)
        except InvalidStatus as refused:
            self._counts[f"refused {refused.response.status_code}"] += 1
        except (OSError, TimeoutError, WebSocketException) as error:
            self._counts["no connection"] += 1
            self._gave_up = self._gave_up or isinstance(error, TimeoutError)
        return None

    def _connect(self) -> connect:
        resume = "" if self._last_id is None else f"?lastEventId={self._last_id}"
        return connect(
            self._url + resume,
            additional_headers={"Authorization": self._bearer()},
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            ping_interval=PING_INTERVAL_S,
            close_timeout=2,
            proxy=None,
            max_queue=None,
        )

    async def _listen(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._counts["connected"] += 1
        try:
            while True:
                self._read(await connection.recv())
        finally:
            self._connection = None
            self.opened.clear()

    def _read(self, frame: str | bytes) -> None:
        told = orjson.loads(frame)
        message = Message(told["type"], told.get("data") or {})
        if message.type == "connected":
            self._heard(message)
            self.opened.set()
        elif self._is_new(told.get("id")):
            self._heard(message)

    def _is_new(self, message_id: object) -> bool:
        """Notes an id. That of `connected` is never noted: older messages may follow it."""
        if message_id in self._seen:
            self._counts["seen twice"] += 1
            return False
        self._seen.append(message_id)
        self._last_id = message_id
        if self._ack is None:
            self._ack = asyncio.get_running_loop().call_later(ACK_AFTER_S, self._acknowledge)
        return True

    def _acknowledge(self) -> None:
        self._ack = None
        self._acking = asyncio.ensure_future(self.send("broadcast_ack", {"id": self._last_id}))

    async def send(self, kind: str, data: dict[str, Any]) -> bool:
        """Sends one message; False if it could not be, because there is no connection now."""
        connection = self._connection
        if connection is None:
            return False
        self._sent += 1
        frame = {"type": kind, "id": str(self._sent), "data": data}
        try:
            await connection.send(orjson.dumps(frame).decode())
        except ConnectionClosed:
            return False
        return True
