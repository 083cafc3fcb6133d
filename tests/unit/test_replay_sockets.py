"""A person's socket: reconnects after every end, gets each message once, and acknowledges them."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request

from tools.replay import sockets
from tools.replay.sockets import Message, Socket

Script = Callable[[ServerConnection], Awaitable[None]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACK_AFTER_S", "FIRST_PAUSE_S", "FLOOD_PAUSE_S"):
        monkeypatch.setattr(sockets, name, 0.01)


async def tell(connection: ServerConnection, kind: str, message_id: int) -> None:
    await connection.send(json.dumps({"type": kind, "id": message_id, "at": "", "data": {"n": message_id}}))


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


class Played:
    """A socket against a server that runs the scripts, one for each connection."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.handshake_takes: list[float] = []
        self.requests: list[tuple[str, str]] = []
        self.heard: list[tuple[str, int]] = []
        self.counts: Counter[str] = Counter()

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request
        authorization = connection.request.headers["Authorization"]
        self.requests.append((connection.request.path, authorization))
        await self._scripts[len(self.requests) - 1](connection)

    async def _before(self, _connection: ServerConnection, _request: Request) -> None:
        if self.handshake_takes:
            await asyncio.sleep(self.handshake_takes.pop())

    def _hear(self, message: Message) -> None:
        self.heard.append((message.type, message.data["n"]))

    def run(self, enough: Callable[[], object]) -> None:
        async def play() -> None:
            async with serve(self._serve, "127.0.0.1", 0, process_request=self._before) as server:
                url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1/ws"
                socket = Socket(url, lambda: "Bearer t", self._hear, self.counts)
                task = asyncio.ensure_future(socket.stay_connected())
                await until(lambda: enough() or task.done())
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(play())


async def stay(connection: ServerConnection) -> None:
    await connection.wait_closed()


@pytest.mark.parametrize("code", [1001, 1008, 4401])
def test_after_a_close_it_resumes_where_it_was(code: int) -> None:
    async def going(connection: ServerConnection) -> None:
        await tell(connection, "connected", 100)
        await tell(connection, "new_broadcast", 7)
        await connection.close(code, "because")

    played = Played(going, stay)
    played.run(lambda: len(played.requests) == 2)
    assert played.requests == [("/api/v1/ws", "Bearer t"), ("/api/v1/ws?lastEventId=7", "Bearer t")]
    assert played.counts[f"closed {code} (because)"] == 1
    assert played.counts["connected"] >= 1


def test_the_id_of_connected_does_not_hide_older_messages_that_follow_it() -> None:
    async def script(connection: ServerConnection) -> None:
        await tell(connection, "connected", 100)
        await tell(connection, "new_broadcast", 7)
        await stay(connection)

    played = Played(script)
    played.run(lambda: len(played.heard) == 2)
    assert played.heard == [("connected", 100), ("new_broadcast", 7)]


def test_a_message_that_arrives_twice_is_handled_once() -> None:
    async def first(connection: ServerConnection) -> None:
        await tell(connection, "new_broadcast", 7)
        await connection.close(1001)

    async def second(connection: ServerConnection) -> None:
        await tell(connection, "new_broadcast", 7)
        await tell(connection, "order_expired", 8)
        await stay(connection)

    played = Played(first, second)
    played.run(lambda: len(played.heard) == 2)
    assert played.heard == [("new_broadcast", 7), ("order_expired", 8)]
    assert played.counts["seen twice"] == 1


def test_messages_are_acknowledged_together_by_the_last_id() -> None:
    received: list[dict[str, object]] = []

    async def script(connection: ServerConnection) -> None:
        for message_id in (7, 8, 9):
            await tell(connection, "new_broadcast", message_id)
        received.append(json.loads(await connection.recv()))
        await stay(connection)

    played = Played(script)
    played.run(lambda: received)
    assert [(frame["type"], frame["data"]) for frame in received] == [("broadcast_ack", {"id": 9})]


def test_a_socket_replaced_by_a_newer_connection_stays_closed() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.close(4409, "newer")

    played = Played(script, stay)
    played.run(lambda: len(played.requests) == 2)
    assert len(played.requests) == 1
    assert played.counts == {"connected": 1, "closed 4409 (newer)": 1}


def test_a_socket_replaced_by_its_own_abandoned_handshake_reconnects(monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for the handshakes after it, whatever else the machine does.
    monkeypatch.setattr(sockets, "OPEN_TIMEOUT_S", 0.5)

    async def replaced(connection: ServerConnection) -> None:
        await connection.close(4409, "newer")

    played = Played(replaced, stay)
    played.handshake_takes = [1.5]
    played.run(lambda: len(played.requests) == 2)
    assert len(played.requests) == 2
    assert played.counts["no connection"] == 1


def test_without_a_connection_nothing_is_sent_and_that_is_said() -> None:
    socket = Socket("ws://127.0.0.1:1/", lambda: "", lambda _: None, Counter())
    assert asyncio.run(socket.send("heartbeat", {})) is False


def test_a_server_that_is_away_is_tried_again() -> None:
    counts: Counter[str] = Counter()

    async def wait() -> None:
        socket = Socket("ws://127.0.0.1:1/", lambda: "", lambda _: None, counts)
        task = asyncio.ensure_future(socket.stay_connected())
        await until(lambda: counts["no connection"] >= 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(wait())
