"""The door to the system: sends a call until it is answered, and reads its outcome."""

import time
from asyncio import sleep
from typing import TypeVar

import httpx

from weelo_client.calls import Call
from weelo_client.retrying import Answer, Tries
from weelo_client.sending import PATIENCE_S, Person, answer_of, options

T = TypeVar("T")


class AsyncDoor(Person):
    """Waits until there is an answer. ``http`` is shared if it is given, and then not closed here."""

    def __init__(self, url: str, token: str, role: str, http: httpx.AsyncClient | None = None) -> None:
        super().__init__(url, token, role)
        self._own = http is None
        self._http = http or httpx.AsyncClient(**options())

    async def do(self, call: Call[T], within: float = PATIENCE_S) -> T:
        """Sends the call until it is answered for good or the time (seconds) is over."""
        tries = Tries(time.monotonic() + within)
        answer = await self._once(call)
        while (pause := tries.pause(answer, time.monotonic())) is not None:
            await sleep(pause)
            answer = await self._once(call)
        return call.read(tries.outcome(answer))

    async def _once(self, call: Call[T]) -> Answer:
        try:
            return answer_of(call, await self._http.request(**self.request(call)))
        except httpx.RequestError:
            return Answer(0)

    async def close(self) -> None:
        if self._own:
            await self._http.aclose()
