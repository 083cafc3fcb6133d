"""Drivers on real sockets in reach of every order, and the orders of customers who are each there once.

It speaks the contract and nothing else, so that it can measure any version of the product.
"""

import json
import time
from collections import deque
from collections.abc import Mapping
from http.client import HTTPConnection
from itertools import count, islice
from random import Random
from typing import Protocol
from uuid import uuid4

import jwt

from tests.scenes import NOIDA, body
from tools.bench.arrivals import Arrivals
from tools.bench.cpu import Kinds
from tools.bench.http import Record, request
from tools.bench.loop import Loop
from tools.bench.sockets import ACK_SECONDS, Heard, connect
from tools.local.ports import LOOPBACK

DRIVERS = 20
# A wave asks ten drivers for one truck.
WAVE = 10
POSITION_SECONDS = 5.0
# All drivers are in reach of the first wave (5 km); which ten are nearest changes from order to order.
DRIVERS_KM, PICKUPS_KM = 2.0, 1.5
KM_A_DEGREE = 111.195
TYPE = "TRUCK"
TOKEN_SECONDS = 12 * 3600
# Until a probe order is answered and offered to a whole wave at once.
READY_SECONDS, PROBE_SECONDS, QUICK_SECONDS = 60.0, 1.0, 0.15
QUICK_PROBES = 3


class Target(Protocol):
    """A running system: where it listens, what signs its tokens, and the heads of its processes by kind."""

    @property
    def web_port(self) -> int: ...
    @property
    def secret(self) -> str: ...
    @property
    def kinds(self) -> Kinds: ...


class City:
    """Connected drivers of one vehicle type. ``seed`` decides where everybody is."""

    def __init__(self, target: Target, loop: Loop, seed: int = 1) -> None:
        self.target, self.loop, self.random = target, loop, Random(seed)
        self.heard = Heard()
        self._name = f"city-{time.time_ns()}"
        self._customers = count()
        subs = [f"{self._name}-{number}" for number in range(DRIVERS)]
        for sub in subs:
            self._register(sub)
        self._sockets = connect(
            loop, target.web_port, [self._token("driver", sub) for sub in subs], self.heard
        )
        self._places = [self._place(DRIVERS_KM) for _ in subs]
        self._report(time.monotonic())
        loop.every(POSITION_SECONDS, self._report, float("inf"))
        loop.every(ACK_SECONDS, self._acknowledge, float("inf"))

    def orders(self, number: int) -> deque[bytes]:
        """So many requests, each of another customer with a key of its own."""
        return deque(self._order() for _ in range(number))

    def wait_until_ready(self) -> None:
        """Places an order at a time until some in a row are answered and offered quickly. Raises
        ``AssertionError`` after a minute.
        """
        deadline, quick = time.monotonic() + READY_SECONDS, 0
        while quick < QUICK_PROBES:
            quick = quick + 1 if self._probe() else 0
            if time.monotonic() > deadline:
                raise AssertionError(f"no quick answer and offers within {READY_SECONDS:.0f} s")

    def _probe(self) -> bool:
        record = Record()
        arrivals = Arrivals(self.loop, self.target.web_port, record, self.orders(1).popleft)
        begun = time.monotonic()
        arrivals.schedule([begun])
        self.loop.run(begun + PROBE_SECONDS, lambda: _offered(record, self.heard))
        arrivals.close()
        return _offered(record, self.heard) and time.monotonic() - begun < QUICK_SECONDS

    def _register(self, sub: str) -> None:
        """Raises ``AssertionError``, with what the server says."""
        profile = {"name": "Bench", "phone": "+911234567890", "vehicleNumber": "DL 1 AB 1234"}
        self._put("/drivers/me", sub, profile | {"vehicleType": TYPE, "vehicleSubtype": self._name})
        self._put("/drivers/me/availability", sub, {"available": True})

    def _put(self, path: str, sub: str, content: Mapping[str, object]) -> None:
        connection = HTTPConnection(LOOPBACK, self.target.web_port, timeout=PROBE_SECONDS * 10)
        headers = {
            "Authorization": f"Bearer {self._token('driver', sub)}",
            "Content-Type": "application/json",
        }
        connection.request("PUT", f"/api/v1{path}", json.dumps(content), headers)
        with connection.getresponse() as response:
            assert response.status == 200, response.read()
        connection.close()

    def _order(self) -> bytes:
        latitude, longitude = self._place(PICKUPS_KM)
        pickup = {"latitude": latitude, "longitude": longitude, "address": "Sector 18, Noida"}
        content = json.dumps(body(1, (TYPE, self._name), pickup=pickup)).encode()
        token = self._token("customer", f"{self._name}-c{next(self._customers)}")
        return request("/api/v1/orders", token, content, uuid4().hex)

    def _token(self, role: str, sub: str) -> str:
        now = int(time.time())
        claims = {"sub": sub, "role": role, "iat": now, "exp": now + TOKEN_SECONDS, "jti": uuid4().hex}
        return jwt.encode(claims, self.target.secret, algorithm="HS256")

    def _place(self, km: float) -> tuple[float, float]:
        """Somewhere within so many km of the middle."""
        north, east = (self.random.uniform(-km, km) / 1.42 / KM_A_DEGREE for _ in range(2))
        return round(NOIDA[0] + north, 6), round(NOIDA[1] + east, 6)

    def _report(self, _: float) -> None:
        for driver, (latitude, longitude) in zip(self._sockets, self._places, strict=True):
            driver.report(latitude, longitude)

    def _acknowledge(self, _: float) -> None:
        for driver in self._sockets:
            driver.acknowledge()


def _offered(record: Record, heard: Heard) -> bool:
    return any(heard.counts.get(order) == WAVE for order in islice(record.sent, 1))
