"""The two doors to the system, one that blocks and one for asyncio: send a call, read its outcome."""

import asyncio
import json
import time
from typing import Any, TypeVar

import httpx

from weelo_client import envelope, tokens
from weelo_client.calls import Call
from weelo_client.retrying import Answer, Tries

T = TypeVar("T")

# The slowest answer of the contract is a 202 after 5 s; twice that and more is a lost one.
TIMEOUT_S = 15.0
# How long a call goes on trying by default.
PATIENCE_S = 30.0


class _Person:
    """What both doors know: where the system is and who is asking. Raises ``WrongRole``."""

    def __init__(self, url: str, token: str, role: str) -> None:
        tokens.hold(token, role)
        self.url, self.token = url.rstrip("/"), token

    def request(self, call: Call[Any]) -> dict[str, Any]:
        """The call as httpx wants it."""
        content = None if call.body is None else json.dumps(call.body).encode()
        headers = {"Authorization": f"Bearer {self.token}", **call.headers}
        return {
            "method": call.method,
            "url": f"{self.url}/api/v1{call.path}",
            "params": dict(call.parameters) or None,
            "content": content,
            "headers": headers | ({"Content-Type": "application/json"} if content is not None else {}),
        }


def _answer(call: Call[Any], response: httpx.Response) -> Answer:
    body = envelope.read(response.content)
    data = envelope.data(body)
    # A success without what the contract promises is none that this call can use.
    usable = data is None or call.fits(response.status_code, data)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, body if usable else {}, headers)


def _options() -> dict[str, Any]:
    """As the socket, straight to the system: proxies and the `.netrc` of the environment are for others.

    Hand in a client of your own (``http``) to go through a proxy. `SSL_CERT_FILE` counts.
    """
    return {"timeout": TIMEOUT_S, "trust_env": False, "verify": httpx.create_ssl_context()}


class Door(_Person):
    """Blocks until there is an answer. ``http`` is shared if it is given, and then not closed here."""

    def __init__(self, url: str, token: str, role: str, http: httpx.Client | None = None) -> None:
        super().__init__(url, token, role)
        self._own = http is None
        self._http = http or httpx.Client(**_options())

    def do(self, call: Call[T], within: float = PATIENCE_S) -> T:
        """Sends the call until it is answered for good or the time (seconds) is over."""
        tries = Tries(time.monotonic() + within)
        answer = self._once(call)
        while (pause := tries.pause(answer, time.monotonic())) is not None:
            time.sleep(pause)
            answer = self._once(call)
        return call.read(tries.outcome(answer))

    def _once(self, call: Call[T]) -> Answer:
        try:
            return _answer(call, self._http.request(**self.request(call)))
        except httpx.RequestError:
            return Answer(0)

    def close(self) -> None:
        if self._own:
            self._http.close()


class AsyncDoor(_Person):
    """The same for asyncio."""

    def __init__(self, url: str, token: str, role: str, http: httpx.AsyncClient | None = None) -> None:
        super().__init__(url, token, role)
        self._own = http is None
        self._http = http or httpx.AsyncClient(**_options())

    async def do(self, call: Call[T], within: float = PATIENCE_S) -> T:
        """Sends the call until it is answered for good or the time (seconds) is over."""
        tries = Tries(time.monotonic() + within)
        answer = await self._once(call)
        while (pause := tries.pause(answer, time.monotonic())) is not None:
            await asyncio.sleep(pause)
            answer = await self._once(call)
        return call.read(tries.outcome(answer))

    async def _once(self, call: Call[T]) -> Answer:
        try:
            return _answer(call, await self._http.request(**self.request(call)))
        except httpx.RequestError:
            return Answer(0)

    async def close(self) -> None:
        if self._own:
            await self._http.aclose()
