"""The robo drivers of one order. Their input is two lines: the task as JSON, then the order's id.

A task is `{url, script, pickup, drop, vehicles}`: places with latitude and longitude, and the type and
subtype of each truck. An end of the input in place of an id means that there will be no order.
"""

import asyncio
import json
import logging
import secrets
import signal
import sys
from collections.abc import Sequence
from typing import Any

import httpx
from weelo_client import AsyncDriver

from tools.replay.places import Place
from tools.replay.tokens import Tokens
from tools.robo import script
from tools.robo.control import NAMES, ON_DUTY
from tools.robo.driver import Driver

# Longer than any offer is open, unless an operator extends the search again and again.
LONGEST_S = 180.0
TIMEOUT_S = 10.0


def main() -> None:
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    asyncio.run(_run())


async def _run() -> None:
    lines = await _input()
    task = json.loads(await lines.readline())
    stopping = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http:
        crew = _crew(task, http)
        try:
            await asyncio.gather(*(driver.begin() for driver in crew))
            print(ON_DUTY, flush=True)
            await _serve(crew, lines, stopping)
        finally:
            await asyncio.gather(*(driver.leave() for driver in crew))


async def _input() -> asyncio.StreamReader:
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    return lines


def _crew(task: dict[str, Any], http: httpx.AsyncClient) -> list[Driver]:
    run, tokens = secrets.token_hex(4), Tokens()
    way = (Place(**task["pickup"]), Place(**task["drop"]))
    crew = []
    for number, vehicle in enumerate(task["vehicles"], 1):
        sub = f"{NAMES}{run}-{number}"
        token = tokens.bearer(sub, "driver").removeprefix("Bearer ")
        app = AsyncDriver(task["url"], token, http)
        crew.append(Driver(sub, app, script.read(task["script"]), vehicle, way))
    return crew


async def _serve(crew: Sequence[Driver], lines: asyncio.StreamReader, stopping: asyncio.Event) -> None:
    """Until everybody has done their part; at a stop or after too long, whatever is left is ended at once."""
    serving = asyncio.ensure_future(_serve_order(crew, lines))
    stop = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({serving, stop}, timeout=LONGEST_S, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    lines.feed_eof()
    await asyncio.gather(*(driver.stop() for driver in crew))
    await serving


async def _serve_order(crew: Sequence[Driver], lines: asyncio.StreamReader) -> None:
    if order_id := (await lines.readline()).decode().strip():
        await asyncio.gather(*(driver.serve(order_id) for driver in crew))


if __name__ == "__main__":
    main()
