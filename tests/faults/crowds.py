"""Clients that are a nuisance, in a process of their own: ``python -m tests.faults.crowds KIND PORT``.

``slow``: 200 connections that send unfinished headers or bodies, or open a socket and never read.
``flood``: 50 connections of one customer, each sending as soon as it has an answer.
They go on until they are killed, and say on standard output when they are all there.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from tests.faults.http import Client, Cut
from tests.faults.scene import order_body, token

SLOW = 200
FLOOD = 50
TRICKLE_SECONDS = 0.5

Nuisance = Callable[[int, int], Coroutine[Any, Any, None]]


async def _opened(port: int, first: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # A small buffer, so that a client that does not read is noticed early.
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=1)
    writer.write(first)
    return reader, writer


async def _trickles(port: int, first: bytes, more: bytes) -> None:
    """Sends a little now and then until the server has enough of it."""
    reader, writer = await _opened(port, first)
    try:
        while not reader.at_eof() and not writer.is_closing():
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(TRICKLE_SECONDS)
    finally:
        writer.transport.abort()


async def _headers(port: int, number: int) -> None:
    await _trickles(port, b"GET /health HTTP/1.1\r\nHost: x\r\n", b"X-Slow: 1\r\n")


async def _body(port: int, number: int) -> None:
    bearer = token("customer", f"slow-{number}")
    head = (
        "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {bearer}\r\nContent-Length: 60000\r\n\r\n"
    )
    await _trickles(port, head.encode(), b" ")


async def _socket(port: int, number: int) -> None:
    """A driver's socket that never reads, and goes on asking."""
    head = (
        "GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Authorization: Bearer {token('driver', f'slow-{number}')}\r\n\r\n"
    )
    # A message that is answered with an error.
    nonsense = b"\x81\x82\0\0\0\0{}"
    await _trickles(port, head.encode(), nonsense)


async def _floods(port: int, number: int) -> None:
    client = Client(token("customer", "flood"))
    path, body = ("/orders", order_body("flood", "NOBODYS")) if number % 2 else ("/orders/active", None)
    try:
        while True:
            await client.request(port, "POST" if body else "GET", path, body)
    finally:
        client.close()


async def _for_ever(nuisance: Nuisance, port: int, number: int) -> None:
    while True:
        with suppress(OSError, EOFError, Cut):
            await nuisance(port, number)
        await asyncio.sleep(0.05)


async def _run(kind: str, port: int) -> None:
    slow: list[Nuisance] = [_headers, _body, _socket]
    if kind == "slow":
        wanted = [_for_ever(slow[number % 3], port, number) for number in range(SLOW)]
    else:
        wanted = [_for_ever(_floods, port, number) for number in range(FLOOD)]
    tasks = [asyncio.ensure_future(nuisance) for nuisance in wanted]
    await asyncio.sleep(1)
    print("here", flush=True)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
