"""A large order among connected drivers: who hears what, and how each accept is answered."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import orjson
import psycopg2
import redis

from models.live.driver_index import vehicle_key
from tests.faults.fleet import Fleet
from tests.faults.http import Answer
from tests.faults.scene import TYPE, order_body, token
from tests.raw import connect as open_connection
from tests.scenes import NOIDA
from tools.bench.http import request
from tools.bench.loop import Loop, received
from tools.bench.sockets import DriverSocket, Heard, connect
from workers.drivers import locating

ANSWER_SECONDS = 30.0
# Slower commands are in Redis' slow log (us).
SLOW_US = 1000

REGISTER = """
    INSERT INTO drivers (id, name, phone, vehicle_type, vehicle_subtype, vehicle, vehicle_number, available,
        last_latitude, last_longitude, last_position_at)
    SELECT %s || '-' || n, 'Crowd', '+911234567890', %s, %s, %s, 'DL 1 AB 1234', true,
        %s + (n %% 40) / 2000.0, %s + (n / 40) / 2000.0, now()
    FROM generate_series(0, %s - 1) AS n
    RETURNING id
"""


@dataclass
class Frames:
    """What drivers heard, in the order in which they heard it: (when, type, data)."""

    by_driver: dict[str, list[tuple[float, str, dict[str, Any]]]] = field(default_factory=dict)

    def of(self, kind: str) -> Counter[str]:
        """How many frames of this type each driver got."""
        return Counter(
            driver for driver, heard in self.by_driver.items() for _, type, _ in heard if type == kind
        )


class Crowd:
    """Drivers of one kind on sockets of one loop, and the orders that are for them."""

    def __init__(self, fleet: Fleet, loop: Loop, subtype: str, drivers: int) -> None:
        self.fleet, self.loop, self.subtype = fleet, loop, subtype
        self.subs = _registered(fleet, subtype, drivers)
        self.frames = Frames({sub: [] for sub in self.subs})
        self.order_id, self.customer = "", f"customer-of-{subtype}"
        port = fleet.port("web1")
        tokens = [token("driver", sub) for sub in self.subs]
        self._subs: dict[DriverSocket, str] = {}
        sockets = connect(loop, port, tokens, Heard(), self._hear)
        self._subs.update(zip(sockets, self.subs, strict=True))
        self.sockets = dict(zip(self.subs, sockets, strict=True))

    def _hear(self, socket: DriverSocket, frame: bytes, now: float) -> None:
        sub = self._subs.get(socket)
        if sub is not None:
            found = orjson.loads(frame)
            self.frames.by_driver[sub].append((now, found["type"], found["data"]))

    def order(self, trucks: int, again: bool = False) -> None:
        """Somebody orders so many trucks; returns when everybody has heard of it (``again``: once more)."""
        (self.order_id,) = self._ordered([self.customer], trucks)
        self._heard(2 if again else 1)

    def orders(self, count: int, trucks: int) -> list[str]:
        """So many customers order at once; the ids, when every driver has heard of every order."""
        found = self._ordered([f"{self.customer}-{number}" for number in range(count)], trucks)
        self._heard(count)
        return found

    def _ordered(self, customers: Sequence[str], trucks: int) -> list[str]:
        sent = [
            request(
                "/api/v1/orders",
                token("customer", customer),
                json.dumps(order_body(customer, self.subtype, trucks)).encode(),
            )
            for customer in customers
        ]
        answers = at_once(self.loop, self.fleet.port("web1"), sent)
        assert {answer.status for answer in answers} == {201}, outcomes(answers)
        return [str(answer.data["order"]["id"]) for answer in answers]

    def _heard(self, offers: int) -> None:
        def all_have() -> bool:
            heard = self.frames.of("new_broadcast")
            return len(heard) == len(self.subs) and min(heard.values()) >= offers

        self.loop.run(time.monotonic() + ANSWER_SECONDS, all_have)
        assert all_have(), "not everybody was asked"

    def accepting(self, subs: Sequence[str], order_id: str = "") -> list[bytes]:
        """The requests with which these drivers accept."""
        path = f"/api/v1/orders/{order_id or self.order_id}/accept"
        return [request(path, token("driver", sub), b"{}") for sub in subs]

    def accept_by_socket(self, order_id: str, subs: Sequence[str]) -> None:
        """These drivers accept by frames; the answers are among the frames."""
        for sub in subs:
            self.sockets[sub].send("accept_broadcast", orderId=order_id)

    def leave(self) -> None:
        """Closes the sockets."""
        for socket in self.sockets.values():
            socket.close()

    def confirmations(self) -> Counter[str]:
        """How accepts by frame were answered: "accepted", or the code of the refusal."""
        return Counter(
            data.get("code") or data["result"]
            for heard in self.frames.by_driver.values()
            for _, kind, data in heard
            if kind == "accept_confirmation"
        )


class _Waiting:
    """One connection that waits for one answer."""

    def __init__(self, loop: Loop, port: int) -> None:
        self._loop, self._got = loop, b""
        self.answer: Answer | None = None
        self.sock = open_connection(f"http://127.0.0.1:{port}")
        self.sock.setblocking(False)
        loop.add(self)

    def ready(self, now: float) -> None:
        self._got += received(self.sock) or b""
        head, end, body = self._got.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        if end and len(body) >= int(headers.get("content-length", 0)):
            self.answer = Answer(int(lines[0].split(" ")[1]), headers, body)
            self._loop.remove(self)


def at_once(loop: Loop, port: int, requests: Sequence[bytes]) -> list[Answer]:
    """Opens a connection for each request, sends all of them at once, and returns the answers."""
    waiting = [_Waiting(loop, port) for _ in requests]
    for pending, sent in zip(waiting, requests, strict=True):
        pending.sock.sendall(sent)
    loop.run(time.monotonic() + ANSWER_SECONDS, lambda: all(pending.answer for pending in waiting))
    assert all(pending.answer for pending in waiting), "somebody was not answered"
    return [cast("Answer", pending.answer) for pending in waiting]


def outcomes(answers: Sequence[Answer]) -> Counter[str]:
    """ "200", or the status and code of the refusal."""
    return Counter(f"{answer.status} {answer.code}".strip() for answer in answers)


def watch_scripts(fleet: Fleet) -> redis.Redis:
    """Has Redis write down every command slower than a millisecond, from now on."""
    client = redis.Redis.from_url(fleet.valkey.url)
    client.config_set("slowlog-log-slower-than", SLOW_US)
    client.config_set("slowlog-max-len", 10_000)
    client.slowlog_reset()
    return client


def longest_script(client: redis.Redis) -> float:
    """Milliseconds of the longest command since :func:`watch_scripts`."""
    found = cast("list[dict[str, Any]]", client.slowlog_get(10_000))
    return max((entry["duration"] / 1000 for entry in found), default=0.0)


def _registered(fleet: Fleet, subtype: str, drivers: int) -> list[str]:
    vehicle = vehicle_key(TYPE, subtype)
    values = (subtype.lower(), TYPE, subtype, vehicle, *NOIDA, drivers)
    with psycopg2.connect(fleet.postgres.url) as connection, connection.cursor() as cursor:
        cursor.execute(REGISTER, values)
        subs = [row[0] for row in cursor]
    connection.close()
    locating.refresh(subs, int(datetime.now().timestamp() * 1000))
    return subs
