"""20 orders a second and 60 drivers' sockets through nginx, as apps send them."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import jwt
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests import scenes

DRIVERS = 60
ORDERS_PER_SECOND = 20
RECONNECT_SECONDS = 0.1


def token(secret: str, role: str, sub: str) -> dict[str, str]:
    """The header of a person with an hour's token."""
    now = int(time.time())
    claims = {"sub": sub, "role": role, "iat": now, "exp": now + 3600}
    return {"Authorization": f"Bearer {jwt.encode(claims, secret, algorithm='HS256')}"}


@dataclass
class Load:
    """The callers, and the answers that they got."""

    url: str
    secret: str
    answers: dict[str, tuple[dict[str, Any], dict[str, str], int, str]] = field(default_factory=dict)
    gaps: list[float] = field(default_factory=list)
    opened: int = 0
    offers: int = 0

    async def run(self, seconds: float) -> None:
        """Sends orders for so long, while the drivers listen."""
        drivers = [asyncio.create_task(self._listen(f"driver{number}")) for number in range(DRIVERS)]
        while self.opened < DRIVERS:
            await asyncio.sleep(0.1)
        async with httpx.AsyncClient(base_url=f"{self.url}/api/v1", timeout=20) as client:
            begun = time.monotonic()
            orders = []
            for number in range(int(seconds * ORDERS_PER_SECOND)):
                await asyncio.sleep(max(0.0, begun + number / ORDERS_PER_SECOND - time.monotonic()))
                orders.append(asyncio.create_task(self._order(client, f"customer{number}-{uuid4().hex[:6]}")))
            await asyncio.gather(*orders)
        for driver in drivers:
            driver.cancel()
        await asyncio.gather(*drivers, return_exceptions=True)

    async def _order(self, client: httpx.AsyncClient, customer: str) -> None:
        headers = token(self.secret, "customer", customer) | {"X-Idempotency-Key": uuid4().hex}
        body = scenes.body()
        try:
            answer = await client.post("/orders", json=body, headers=headers)
            said = answer.json()
            order = said.get("data", {}).get("order", {}).get("id") or said.get("error", {}).get(
                "message", ""
            )
            self.answers[customer] = (body, headers, answer.status_code, order)
        except httpx.HTTPError as error:
            self.answers[customer] = (body, headers, 0, type(error).__name__)

    async def _listen(self, driver: str) -> None:
        headers = token(self.secret, "driver", driver)
        await self._go_on_duty(headers, driver)
        lost = 0.0
        while True:
            try:
                async with connect(
                    self.url.replace("http", "ws", 1) + "/api/v1/ws", additional_headers=headers
                ) as ws:
                    await ws.recv()
                    if lost:
                        self.gaps.append(time.monotonic() - lost)
                    else:
                        self.opened += 1
                    async for frame in ws:
                        self.offers += '"new_broadcast"' in str(frame)
                lost = time.monotonic()
            except (OSError, WebSocketException):
                lost = lost or time.monotonic()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _go_on_duty(self, headers: dict[str, str], driver: str) -> None:
        about = {"name": driver, "phone": "+911234567890", "vehicleNumber": "DL 1 AB 1234"}
        about |= {"vehicleType": "TRUCK", "vehicleSubtype": "TATA_ACE"}
        place = scenes.body()["pickup"]
        here = {"locations": [{name: place[name] for name in ("latitude", "longitude")}]}
        async with httpx.AsyncClient(base_url=f"{self.url}/api/v1", timeout=20, headers=headers) as client:
            (await client.put("/drivers/me", json=about)).raise_for_status()
            (await client.put("/drivers/me/availability", json={"available": True})).raise_for_status()
            (await client.post("/drivers/me/locations", json=here)).raise_for_status()


def lost(load: Load) -> list[str]:
    """Customers whose order is not there, or is another one under the same key."""
    missing = []
    with httpx.Client(base_url=f"{load.url}/api/v1", timeout=20) as client:
        for customer, (body, headers, status, order) in load.answers.items():
            if status not in (201, 202):
                continue
            again = client.post("/orders", json=body, headers=headers)
            seen = client.get(f"/orders/{order}", headers=headers)
            same = again.json().get("data", {}).get("order", {}).get("id") == order
            if not same or seen.status_code != 200:
                missing.append(customer)
    return missing
