"""Other customers' orders at an even pace, from a process of its own:
``python -m tests.faults.bystanders PORT ORDERS_A_SECOND``.

It says on standard output when it begins; when its standard input is closed it sends no more, waits for
its answers and prints them as JSON: ``[[status, seconds], …]``, each counted from when it was due.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from tests.conftest import ROOT
from tests.faults.http import Client, Cut
from tests.faults.scene import UNSERVED, order_body, token


@dataclass
class Bystanders:
    """How the orders of the others were answered; filled when :func:`bystanders` ends."""

    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """Seconds."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


@contextmanager
def bystanders(port: int, orders_a_second: float) -> Iterator[Bystanders]:
    """They order for the time of the block."""
    command = [sys.executable, "-m", "tests.faults.bystanders", str(port), str(orders_a_second)]
    found = Bystanders()
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == "begun"
            yield found
            printed, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    for status, seconds in json.loads(printed):
        found.statuses.append(status)
        found.seconds.append(seconds)


async def _order(port: int, due: float) -> tuple[int, float]:
    sub = f"bystander-{uuid4().hex}"
    client = Client(token("customer", sub))
    try:
        answer = await client.request(port, "POST", "/orders", order_body(sub, UNSERVED))
        return answer.status, time.monotonic() - due
    except Cut:
        return 0, time.monotonic() - due
    finally:
        client.close()


async def _run(port: int, orders_a_second: float) -> None:
    ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    print("begun", flush=True)
    due, sent = time.monotonic(), []
    while not ended.done():
        sent.append(asyncio.create_task(_order(port, due)))
        due += 1 / orders_a_second
        await asyncio.wait([ended], timeout=max(0, due - time.monotonic()))
    print(json.dumps(await asyncio.gather(*sent)))


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), float(sys.argv[2])))
