"""A Postgres that says nothing: not refused, no connection closed, no packet."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from models import silence
from tests import scenes
from tests.conftest import Stores
from tests.soak.server import children
from tests.system import Person, System, on_duty, ready, until
from web.identity.issuing import issue

# 0.3 s more than its patience on a quiet machine; on a busy one a process is late with everything.
ANSWER_SECONDS = silence.PATIENCE_SECONDS + 1.5
FROZEN_SECONDS = 9.0
ASKED = 64


@contextmanager
def frozen(stores: Stores) -> Iterator[None]:
    """All processes of this Postgres stand still; the kernel goes on taking connections and bytes."""
    pids: set[int] = set()
    # Until it has no process that is not stopped: one may have been made meanwhile.
    while more := {postmaster := stores.postgres.pid or 0, *children(postmaster)} - pids:
        for pid in more:
            os.kill(pid, signal.SIGSTOP)
        pids |= more
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.long
def test_nobody_waits_long_for_a_silent_postgres_and_all_works_once_it_speaks(
    system: System, stores: Stores, name: str
) -> None:
    took: list[tuple[float, str, int, str | None]] = []
    requests: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("customer", "POST", "/orders", {"json": scenes.body()}),
        ("customer", "GET", "/orders", {}),
        ("driver", "PUT", "/drivers/me/availability", {"json": {"available": False}}),
        ("ops", "GET", "/ops/orders", {}),
    )
    on_duty(system.urls[0], name)
    tokens = [issue(requests[n % 4][0], f"{name}-{n}", timedelta(hours=1)) for n in range(ASKED)]

    def ask(client: httpx.Client, number: int) -> None:
        _, method, path, more = requests[number % 4]
        url = f"{system.urls[number // 4 % 2]}/api/v1{path}"
        # Some arrive at once, others while the first ones wait or after they were answered.
        time.sleep(FROZEN_SECONDS * (number // 8) * 8 / ASKED)
        begun = time.monotonic()
        answer = client.request(method, url, headers={"Authorization": f"Bearer {tokens[number]}"}, **more)
        seconds = time.monotonic() - begun
        took.append((seconds, f"{method} {path}", answer.status_code, answer.headers.get("Retry-After")))

    try:
        with httpx.Client(timeout=30) as client, frozen(stores), ThreadPoolExecutor(ASKED) as pool:
            for request in [pool.submit(ask, client, number) for number in range(ASKED)]:
                request.result()
            assert client.get(f"{system.urls[0]}/ready/web").status_code == 503
        wrong = [answer for answer in took if answer[2:] != (503, "2") or answer[0] > ANSWER_SECONDS]
        print(f"{ASKED} requests, the longest answered after {max(took)[0]:.2f} s")
        assert not wrong
    finally:
        for url in system.urls:
            until(partial(ready, url), 10)
    customer = Person(system.urls[0], "customer", name)
    assert customer.order(scenes.body()).status_code == 201
