"""A crowd of slow clients, and a flood of one customer: what everybody else's orders take meanwhile.

Times with and without are taken in turns in one run, so that whatever else the machine does hits both.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests.conftest import ROOT
from tests.faults.fleet import Fleet
from tests.faults.http import Client
from tests.faults.run import SETTINGS
from tests.faults.scene import order_body, token

pytestmark = [pytest.mark.by_hand, pytest.mark.timeout(300)]

ROUNDS = 4
ROUND_SECONDS = 8.0
ORDERS_A_SECOND = 10
SLOW_LIMIT, FLOOD_LIMIT = 2.0, 1.5


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The system with the limits it has by default; the other fault tests switch that for orders off."""
    started = Fleet(ROOT, tmp_path_factory.mktemp("fleet"), **SETTINGS, ORDERS_PER_MINUTE="5")
    try:
        started.start()
        yield started
    finally:
        started.stop()


@contextmanager
def crowd(kind: str, port: int) -> Iterator[None]:
    """The nuisance for the time of the block."""
    command = [sys.executable, "-m", "tests.faults.crowds", kind, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == "here"
            yield
        finally:
            process.kill()


async def orders(port: int) -> list[float]:
    """The seconds that each order of a new customer took, sent at an even pace."""

    async def one(delay: float) -> float:
        await asyncio.sleep(delay)
        sub = uuid4().hex
        client = Client(token("customer", sub))
        begun = time.monotonic()
        answer = await client.request(port, "POST", "/orders", order_body(sub, "NOBODYS"))
        client.close()
        assert answer.status in (201, 202), answer
        return time.monotonic() - begun

    number = int(ROUND_SECONDS * ORDERS_A_SECOND)
    return await asyncio.gather(*(one(n / ORDERS_A_SECOND) for n in range(number)))


def measured(kind: str, port: int) -> tuple[float, float]:
    """p99 of everybody else's orders without the crowd and with it (seconds); prints both."""
    without: list[float] = []
    among: list[float] = []
    asyncio.run(orders(port))
    for _ in range(ROUNDS):
        without += asyncio.run(orders(port))
        with crowd(kind, port):
            among += asyncio.run(orders(port))
    for name, times in (("without", without), (f"with {kind}", among)):
        times.sort()
        p50, p99 = (1000 * times[int(len(times) * part)] for part in (0.5, 0.99))
        print(f"\n{name:12} {len(times)} orders: p50 {p50:.0f} ms, p99 {p99:.0f} ms", end="")
    return without[int(len(without) * 0.99)], among[int(len(among) * 0.99)]


def test_two_hundred_slow_clients_starve_nobody(limited: Fleet) -> None:
    without, among = measured("slow", limited.port("web1"))
    assert among <= SLOW_LIMIT * without


def test_the_flood_of_one_customer_harms_no_other(limited: Fleet) -> None:
    without, among = measured("flood", limited.port("web1"))
    assert among <= FLOOD_LIMIT * without
