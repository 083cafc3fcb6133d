"""Drivers on real sockets that act on command: for races, where every answer counts."""

import asyncio
from typing import Any

from tests.faults.drivers import Driver
from tests.faults.http import Client
from tests.faults.scene import World, token
from tests.faults.sockets import Frame, Listener
from tests.scenes import NOIDA

ANSWER_SECONDS = 15.0
CONNECT_SECONDS = 20.0
AT_ONCE = 20


class Member:
    """One driver: a socket that stays open, and a connection for requests."""

    def __init__(self, world: World, sub: str, subtype: str, number: int) -> None:
        self.sub = sub
        self._driver = Driver(world, sub, subtype, number % 10)
        self._client = Client(token("driver", sub))
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._world = world
        here = {"latitude": NOIDA[0] + 0.002 * (number % 10 + 1), "longitude": NOIDA[1]}
        beat = {"type": "update_location", "data": here}
        self.listener = Listener(world, "driver", sub, self._hear, beat)

    async def arrive(self) -> None:
        await self._driver.register()
        self._driver.leave()

    async def accept_by_request(self, order_id: str) -> str:
        """``accepted``, or the code of the refusal."""
        answer = await self._client.request(self._world.port(), "POST", f"/orders/{order_id}/accept", {})
        return "accepted" if answer.status == 200 else answer.code

    async def accept_by_socket(self, order_id: str) -> str:
        """The same over the socket."""
        heard = self._answers[order_id] = asyncio.get_running_loop().create_future()
        await self.listener.send("accept_broadcast", orderId=order_id)
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await heard
        return str(answer.get("code") or answer["result"])

    async def _hear(self, frame: Frame) -> None:
        if frame["type"] == "accept_confirmation":
            waiting = self._answers.pop(frame["data"]["orderId"], None)
            if waiting and not waiting.done():
                waiting.set_result(frame["data"])

    def leave(self) -> None:
        self._client.close()


class Crew:
    """Many of them, on duty and connected for the time of the block."""

    def __init__(self, world: World, name: str, size: int) -> None:
        self.members = [Member(world, f"{name}-{n}", name.upper(), n) for n in range(size)]
        self._world = world
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> list[Member]:
        for some in range(0, len(self.members), AT_ONCE):
            await asyncio.gather(*(member.arrive() for member in self.members[some : some + AT_ONCE]))
        self._running = [asyncio.create_task(member.listener.run()) for member in self.members]
        async with asyncio.timeout(CONNECT_SECONDS):
            while not all(member.listener.connection for member in self.members):
                await asyncio.sleep(0.05)
        return self.members

    async def __aexit__(self, *_: object) -> None:
        self._world.over = True
        for member in self.members:
            member.leave()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.sleep(0.1)
