"""Orders at an even pace and drivers' sockets through nginx, as apps send them."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import jwt
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests import scenes
from tests.containers.stack import wait_for

RECONNECT_SECONDS = 0.1
# Drivers who go on duty, before the orders begin.
AT_ONCE = 16
AROUND_SECONDS = 2.0
# As long as a client goes on with an order that is refused for now.
PATIENCE_SECONDS = 30.0
# What a first answer may be while parts are killed or replaced. 409: nginx has left a server that was killed
# or did not answer in time, while it held the lock of the customer.
ALLOWED = {"201", "202", "503 with Retry-After", "409 with Retry-After"}
REPEATED = (409, 503)


def token(secret: str, role: str, sub: str) -> dict[str, str]:
    """The header of a person with an hour's token."""
    now = int(time.time())
    claims = {"sub": sub, "role": role, "iat": now, "exp": now + 3600}
    return {"Authorization": f"Bearer {jwt.encode(claims, secret, algorithm='HS256')}"}


@dataclass
class Sent:
    """An order as its customer sends it, its first answer in words and when it came (s), and its id once it
    is accepted.
    """

    customer: str
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=scenes.body)
    first: str = ""
    seconds: float = 0.0
    order: str = ""


@dataclass
class Load:
    """The callers and their answers, how often each driver's socket was cut, and each time how long (s)."""

    url: str
    secret: str
    orders_per_second: int = 20
    drivers: int = 60
    sent: list[Sent] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    cuts: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    offers: int = 0

    def beside(self, act: Callable[[], object]) -> None:
        """Sends orders from 2 s before an act until 2 s after it. Raises what it raises."""

        def acting() -> None:
            wait_for(lambda: bool(self.sent), 60, "the first order")
            time.sleep(AROUND_SECONDS)
            act()
            time.sleep(AROUND_SECONDS)

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(acting)
            asyncio.run(self.run(lambda: not done.done()))
            done.result()

    def client(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"{self.url}/api/v1", timeout=20, headers=headers)

    async def run(self, goes_on: Callable[[], bool]) -> None:
        """Sends orders at an even pace for as long as it goes on, while the drivers listen."""
        async with self.client() as client, asyncio.TaskGroup() as group:
            at_once = asyncio.Semaphore(AT_ONCE)
            names = [f"driver{number}" for number in range(self.drivers)]
            drivers = [group.create_task(self._listen(client, at_once, name)) for name in names]
            while self.opened < self.drivers:
                await asyncio.sleep(0.1)
            begun, orders = time.monotonic(), []
            while goes_on():
                orders.append(group.create_task(self._order(client)))
                due = begun + len(orders) / self.orders_per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*orders)
            for driver in drivers:
                driver.cancel()

    async def _order(self, client: httpx.AsyncClient) -> None:
        customer = f"customer-{uuid4().hex[:12]}"
        headers = token(self.secret, "customer", customer) | {"X-Idempotency-Key": uuid4().hex}
        sent = Sent(customer, headers)
        self.sent.append(sent)
        try:
            sent.order = await _order_again(client, sent)
        except httpx.HTTPError as error:
            sent.first = sent.first or type(error).__name__

    async def _listen(self, client: httpx.AsyncClient, at_once: asyncio.Semaphore, driver: str) -> None:
        headers = token(self.secret, "driver", driver)
        async with at_once:
            await self._go_on_duty(client, headers, driver)
        url = self.url.replace("http", "ws", 1) + "/api/v1/ws"
        lost: float | None = None
        while True:
            is_open = False
            with suppress(OSError, WebSocketException):
                async with connect(url, additional_headers=headers) as ws:
                    is_open = True
                    await ws.recv()
                    if lost is None:
                        self.opened += 1
                    else:
                        self.gaps.append(time.monotonic() - lost)
                    async for frame in ws:
                        self.offers += '"new_broadcast"' in str(frame)
            if is_open:
                lost = time.monotonic()
                self.cuts[driver] += 1
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _go_on_duty(self, client: httpx.AsyncClient, headers: dict[str, str], driver: str) -> None:
        about = {"name": driver, "phone": "+911234567890", "vehicleNumber": "DL 1 AB 1234"}
        about |= {"vehicleType": "TRUCK", "vehicleSubtype": "TATA_ACE"}
        place = scenes.body()["pickup"]
        here = {"locations": [{name: place[name] for name in ("latitude", "longitude")}]}
        for method, path, sent in (
            ("PUT", "/drivers/me", about),
            ("PUT", "/drivers/me/availability", {"available": True}),
            ("POST", "/drivers/me/locations", here),
        ):
            _, last = await _ask(client, method, path, sent, headers)
            last.raise_for_status()

    def firsts(self) -> str:
        """How many first answers were which. Raises ``AssertionError`` if the contract has no such answer."""
        found = Counter(order.first for order in self.sent)
        assert set(found) <= ALLOWED, found
        return ", ".join(f"{number} of {len(self.sent)} {words}" for words, number in found.most_common())

    def but(self, *allowed: str) -> int:
        """How many first answers were others."""
        return sum(order.first not in allowed for order in self.sent)

    async def lost(self) -> list[str]:
        """Customers whose order is not there, or is another one under the same key."""
        async with self.client() as client:
            at_once = asyncio.Semaphore(8)

            async def is_lost(sent: Sent) -> bool:
                async with at_once:
                    again = await _order_again(client, sent)
                    seen = await client.get(f"/orders/{sent.order}", headers=sent.headers)
                return not sent.order or again != sent.order or seen.status_code != 200

            missing = await asyncio.gather(*map(is_lost, self.sent))
        return [sent.customer for sent, is_missing in zip(self.sent, missing, strict=True) if is_missing]


async def _ask(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: dict[str, Any],
    headers: dict[str, str] | None = None,
) -> tuple[httpx.Response, httpx.Response]:
    """The first and the last answer; one with `Retry-After` is repeated as it was, as apps do."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    first = last = await client.request(method, path, json=body, headers=headers)
    while "Retry-After" in last.headers and last.status_code in REPEATED and time.monotonic() < deadline:
        await asyncio.sleep(float(last.headers["Retry-After"]))
        last = await client.request(method, path, json=body, headers=headers)
    return first, last


async def _order_again(client: httpx.AsyncClient, sent: Sent) -> str:
    """Sends an order, and says which id it has now; the first answer of all is noted."""
    first, last = await _ask(client, "POST", "/orders", sent.body, sent.headers)
    if not sent.first:
        sent.first = f"{first.status_code}{' with Retry-After' * ('Retry-After' in first.headers)}"
        sent.seconds = first.elapsed.total_seconds()
    found: str = last.json()["data"]["order"]["id"] if last.status_code in (201, 202) else ""
    return found
