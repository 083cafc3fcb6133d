"""What waits in asyncio. The one module whose twin is written by hand: that has threads."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from websockets.asyncio.client import ClientConnection


class AsyncFlag(asyncio.Event):
    """Is set once, and wakes all who wait for it."""

    async def within(self, seconds: float) -> None:
        """Waits until it is set, so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait()


class AsyncPulse:
    """Calls ``beat`` every so many seconds, whatever the app is busy with, until it is stopped."""

    def __init__(self, beat: Callable[[], Awaitable[None]], every_s: float) -> None:
        self._task = asyncio.ensure_future(self._run(beat, every_s))

    async def _run(self, beat: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await beat()

    async def stop(self) -> None:
        self._task.cancel()


async def receive_now(connection: ClientConnection) -> str | bytes:
    """A frame that has arrived already. Raises ``TimeoutError``."""
    async with asyncio.timeout(0):
        return await connection.recv()
