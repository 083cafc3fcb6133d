"""`python -m tests.faults.crowd`: thousands of drivers on sockets, each with a position every 5 s.

Half of them stay within a few metres, half cross from cell to cell. Afterwards the index in Redis has
to say exactly what each of them sent last.
"""

import argparse
import asyncio
import json
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import psycopg2
import redis
from websockets.asyncio.client import ClientConnection, connect

from models import geo
from models.live.driver_index import vehicle_key
from tests.conftest import ROOT
from tests.faults.fleet import Fleet
from tests.faults.meter import cpu_seconds
from tests.faults.run import SETTINGS
from tests.faults.scene import TYPE, token
from tests.scenes import NOIDA

EVERY_SECONDS = 5.0
CONNECTS_AT_ONCE = 50
# What was sent last needs a moment to arrive on a busy machine.
SETTLE_SECONDS = 3.0
STAY_DEGREES, CROSS_DEGREES = 1e-5, 0.01
SUBTYPE = "CROWD"
VEHICLE = vehicle_key(TYPE, SUBTYPE)

REGISTER = """
    INSERT INTO drivers (id, name, phone, vehicle_type, vehicle_subtype, vehicle, vehicle_number, available)
    SELECT 'crowd-' || n, 'Crowd', '+911234567890', %s, %s, %s, 'DL 1 AB 1234', true
    FROM generate_series(0, %s - 1) AS n
"""


@dataclass
class Walker:
    """One driver: where they are, and how many positions they have sent."""

    sub: str
    random: Random
    step: float
    place: tuple[float, float] = NOIDA
    sent: int = 0
    cut: int = 0

    def walk(self) -> None:
        self.place = (
            round(self.place[0] + self.random.uniform(-self.step, self.step), 7),
            round(self.place[1] + self.random.uniform(-self.step, self.step), 7),
        )

    async def run(self, port: int, until: float, gate: asyncio.Semaphore) -> None:
        """Sends a position every 5 s, at a random phase, and reconnects after a cut."""
        await asyncio.sleep(self.random.uniform(0, EVERY_SECONDS))
        while time.monotonic() < until:
            with suppress(OSError):
                async with gate:
                    socket = await connect(
                        f"ws://127.0.0.1:{port}/api/v1/ws",
                        additional_headers={"Authorization": f"Bearer {token('driver', self.sub)}"},
                        ping_interval=None,
                        compression=None,
                        proxy=None,
                        open_timeout=30,
                    )
                await self._report(socket, until)

    async def _report(self, socket: ClientConnection, until: float) -> None:
        reading = asyncio.create_task(_read(socket))
        due = time.monotonic()
        while (due := due + EVERY_SECONDS) < until and not reading.done():
            self.walk()
            data = {"latitude": self.place[0], "longitude": self.place[1]}
            await socket.send(json.dumps({"type": "update_location", "data": data}))
            self.sent += 1
            await asyncio.sleep(due - time.monotonic())
        self.cut += reading.done()
        # After a close handshake the server has read everything that was sent.
        await socket.close()
        reading.cancel()


async def _read(socket: ClientConnection) -> None:
    async for _ in socket:
        pass


@dataclass
class Outcome:
    """What came of it: positions sent, drivers cut off, and what the index says otherwise."""

    drivers: int
    sent: int
    cut: int
    seconds: float
    cpu_web: float
    cpu_redis: float
    wrong: list[str] = field(default_factory=list)


def crowd(fleet: Fleet, drivers: int, seconds: float, say: Callable[[str], None] = print) -> Outcome:
    """Registers them, has them drive for so long, and compares."""
    with psycopg2.connect(fleet.postgres.url) as connection, connection.cursor() as cursor:
        cursor.execute(REGISTER, (TYPE, SUBTYPE, VEHICLE, drivers))
    connection.close()
    walkers = [
        Walker(f"crowd-{n}", Random(n), CROSS_DEGREES if n % 2 else STAY_DEGREES) for n in range(drivers)
    ]
    begun, before = time.monotonic(), _cpu(fleet)
    asyncio.run(_drive(fleet, walkers, begun + seconds, say))
    lasted, after = time.monotonic() - begun, _cpu(fleet)
    time.sleep(SETTLE_SECONDS)
    return Outcome(
        drivers,
        sum(walker.sent for walker in walkers),
        sum(walker.cut for walker in walkers),
        lasted,
        after[0] - before[0],
        after[1] - before[1],
        wrong(fleet.valkey.url, walkers),
    )


def _cpu(fleet: Fleet) -> tuple[float, float]:
    """CPU seconds so far of the web processes and of Redis."""
    web = [pid for name in ("web1", "web2") for pid in fleet.children(name)]
    assert fleet.valkey.pid
    return sum(map(cpu_seconds, web)), cpu_seconds(fleet.valkey.pid)


async def _drive(fleet: Fleet, walkers: list[Walker], until: float, say: Callable[[str], None]) -> None:
    gate = asyncio.Semaphore(CONNECTS_AT_ONCE)
    telling = asyncio.create_task(_tell(walkers, say))
    ports = fleet.web_ports
    await asyncio.gather(
        *(walker.run(ports[n % len(ports)], until, gate) for n, walker in enumerate(walkers))
    )
    telling.cancel()


async def _tell(walkers: list[Walker], say: Callable[[str], None]) -> None:
    begun = time.monotonic()
    while True:
        await asyncio.sleep(10)
        sent = sum(walker.sent for walker in walkers)
        there = sum(walker.sent > 0 for walker in walkers)
        say(f"{time.monotonic() - begun:6.0f} s  {there:6} drivers connected  {sent:8} positions sent")


def wrong(url: str, walkers: list[Walker]) -> list[str]:
    """Drivers whose last position is another one in the index, with both."""
    client: Any = redis.Redis.from_url(url)  # the members begin with bytes that are no text
    members = client.zrange(f"drivers:where:{VEHICLE}", 0, -1, withscores=True)
    cells = {member[24:].decode(): score for member, score in members}
    found = []
    for walker in walkers:
        known = client.hget(f"driver:{walker.sub}", "place")
        place = struct.unpack_from("<dd", known) if known else None
        if place != walker.place or cells.get(walker.sub) != geo.cell(*walker.place):
            found.append(f"{walker.sub}: sent {walker.place}, in the index {place}")
    extra = set(cells) - {walker.sub for walker in walkers}
    return [*found, *(f"{who}: in the index, and nobody" for who in sorted(extra))]


def main() -> int:
    """Runs and prints; 1 if the index is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.crowd", description=__doc__)
    parser.add_argument("--drivers", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=5)
    wanted = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    directory = Path(tempfile.mkdtemp(prefix="weelo-crowd-"))
    fleet = Fleet(ROOT, directory, **SETTINGS)
    say = partial(print, flush=True)
    try:
        fleet.start()
        outcome = crowd(fleet, wanted.drivers, wanted.minutes * 60, say)
    finally:
        fleet.stop()
    say(
        f"\n  drivers                     {outcome.drivers}"
        f"\n  positions sent              {outcome.sent} in {outcome.seconds:.0f} s"
        f"\n  cut off                     {outcome.cut}"
        f"\n  CPU of both web processes   {1000 * outcome.cpu_web / max(outcome.sent, 1):.2f} ms a position"
        f"\n  CPU of Redis                {1000 * outcome.cpu_redis / max(outcome.sent, 1):.2f} ms a position"
        f"\n  wrong in the index          {len(outcome.wrong)}"
    )
    if outcome.wrong:
        say("\n".join([*outcome.wrong[:20], f"logs in {directory}"]))
        return 1
    fleet.forget()
    return 0


if __name__ == "__main__":
    sys.exit(main())
