"""Strangers cannot fill the memory of a web process, whatever they write into their headers."""

import os
import time
from pathlib import Path

import pytest

from tests import raw
from tests.system import System

REQUESTS, ADDRESSES = 10_000, 4_000
MOST_BYTES = 5 * 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")


def workers(master: int) -> list[int]:
    """The processes that serve."""
    return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def held(pids: list[int]) -> int:
    """Bytes of these processes in memory."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE for pid in pids)


def forged(number: int) -> bytes:
    """A request without a token from one of 4,000 addresses, with some 28 KB of other addresses before it."""
    address = number % ADDRESSES
    chain = ",".join(f"198.51.{(number + hop) % 250}.{hop % 250}" for hop in range(480))
    lines = [
        f"X-Forwarded-For: {chain},203.{address % 250}.{address // 250}.7",
        *[f"X-Forwarded-For: {chain}"] * 3,
    ]
    # The last line is the nearest proxy's.
    lines.reverse()
    return raw.request("GET", f"/api/v1/orders/active?{number}", f"X-Request-ID: r{number}", *lines)


def ask(url: str, numbers: range) -> None:
    with raw.connect(url) as line:
        for number in numbers:
            line.sendall(forged(number))
            assert raw.read(line).status == 401


@pytest.mark.long
def test_worst_input_of_ten_thousand_strangers_leaves_nothing_behind(system: System) -> None:
    with system.beside(
        "strangers", TRUSTED_PROXIES="127.0.0.1", READS_PER_MINUTE_PER_ADDRESS="1000000"
    ) as url:
        serving = workers(system.processes["strangers"].pid)
        ask(url, range(500))
        time.sleep(1)
        before = held(serving)
        ask(url, range(500, 500 + REQUESTS))
        time.sleep(1)
        assert held(serving) - before < MOST_BYTES
