"""Frames against a web process, over many connections, and what that did to it."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.faults.http import Client
from tests.faults.scene import token
from tests.fuzz.frames import conversation
from tests.fuzz.messages import Messages

AT_ONCE = 16
HANDSHAKE_SECONDS = 10
ENDING_SECONDS = 15
PEOPLE = 1_000
# A driver has more to say.
ROLES = ("driver", "driver", "customer")
# Lines of its log that say that a mistake of somebody else was one of ours.
HARM = re.compile(r"Traceback|message failed|socket failed|unexpected error")
# A web process that has served some thousand frames has all the memory it needs for them.
WARM_UP = 0.2
TOLERATED_KB = 10_000
REGISTRATION = {
    "name": "Fuzz",
    "phone": "+911234567890",
    "vehicleType": "TRUCK",
    "vehicleSubtype": "FUZZ",
    "vehicleNumber": "F 1",
}


@dataclass(frozen=True)
class Target:
    """A web process: its port, its gunicorn master, and what it has logged."""

    port: int
    master: int
    log: Callable[[], str]

    @property
    def worker(self) -> int:
        """The process that serves."""
        return int(Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()[0])

    @property
    def memory_kb(self) -> int:
        status = Path(f"/proc/{self.worker}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


@dataclass
class Figures:
    """What was sent, and how the connections ended."""

    frames: int = 0
    connections: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    rss_before_kb: int = 0
    rss_after_kb: int = 0
    problems: list[str] = field(default_factory=list)


async def converse(
    port: int, said: Mapping[str, Messages], draw: random.Random, number: int, figures: Figures
) -> None:
    """One connection from the handshake to its end, in pieces of any size."""
    role = draw.choice(ROLES)
    head = (
        "GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Authorization: Bearer {token(role, f'fuzz-{number % PEOPLE}')}\r\n\r\n"
    )
    kinds, frames = conversation(draw, said[role])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANDSHAKE_SECONDS)
        assert b" 101 " in answer, answer
        sent = b"".join(frames)
        figures.frames += len(frames)
        figures.kinds.update(kinds)
        with suppress(ConnectionError):
            while sent:
                size = draw.choice([1, 7, 300, 5000, len(sent)])
                writer.write(sent[:size])
                sent = sent[size:]
                await writer.drain()
            # Nothing more will come, so the server ends the connection once it has read everything.
            writer.write_eof()
        figures.endings[await _ending(reader)] += 1
    finally:
        writer.transport.abort()
    figures.connections += 1


async def _ending(reader: asyncio.StreamReader) -> str:
    """The code the server closed with; "never" if it did not end the connection."""
    received = b""
    with suppress(ConnectionError):
        while True:
            try:
                more = await asyncio.wait_for(reader.read(65536), ENDING_SECONDS)
            except TimeoutError:
                return "never"
            if not more:
                break
            received = (received + more)[-200:]
    found = received.rfind(b"\x88")
    return str(int.from_bytes(received[found + 2 : found + 4], "big")) if found >= 0 else "cut"


async def fuzz(
    port: int,
    said: Mapping[str, Messages],
    seed: int,
    frames: int,
    figures: Figures,
    say: Callable[[str], None],
) -> None:
    """Sends this many frames, over AT_ONCE connections at a time."""
    numbers = iter(range(frames))
    goal = figures.frames + frames

    async def worker() -> None:
        while figures.frames < goal:
            number = next(numbers)
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await converse(port, said, random.Random(f"{seed}-{number}"), number, figures)
            if number % 500 == 499:
                say(f"{figures.frames} frames, {figures.connections} connections")

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def register(port: int) -> None:
    """Half of the drivers are known, so that what they say of themselves is stored."""
    for number in range(0, PEOPLE, 2):
        client = Client(token("driver", f"fuzz-{number}"))
        await client.request(port, "PUT", "/drivers/me", REGISTRATION)
        client.close()


def run(target: Target, seed: int, frames: int, say: Callable[[str], None]) -> Figures:
    """Fuzzes a web process; ``problems`` is empty if it took no harm."""
    figures, worker = Figures(), target.worker
    asyncio.run(register(target.port))
    document = httpx.get(f"http://127.0.0.1:{target.port}/asyncapi.json").json()
    said = {role: Messages(document, role) for role in set(ROLES)}
    asyncio.run(fuzz(target.port, said, seed, int(frames * WARM_UP), figures, say))
    figures.rss_before_kb = target.memory_kb
    asyncio.run(fuzz(target.port, said, seed + 1, frames, figures, say))
    figures.rss_after_kb = target.memory_kb
    if figures.endings["never"]:
        figures.problems.append("connections were left open")
    if target.worker != worker:
        figures.problems.append("the process ended and was started again")
    if figures.rss_after_kb - figures.rss_before_kb > TOLERATED_KB:
        figures.problems.append("memory grew")
    figures.problems += sorted(set(HARM.findall(target.log())))
    return figures


def lines(figures: Figures) -> list[str]:
    """The figures, to be read."""
    endings = ", ".join(f"{name} {count}" for name, count in sorted(figures.endings.items()))
    kinds = ", ".join(f"{name} {count}" for name, count in figures.kinds.most_common())
    return [
        f"{figures.frames} frames over {figures.connections} connections",
        f"frames by kind: {kinds}",
        f"connections ended: {endings}",
        f"memory of the process: {figures.rss_before_kb} KB before, {figures.rss_after_kb} KB after",
        *(f"problem: {problem}" for problem in figures.problems),
    ]
