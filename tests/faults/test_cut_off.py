"""A host loses its line to the stores for 15 s: no packet passes, and no connection is closed."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from models.settings import DEVELOPMENT_SECRET
from tests import scenes
from tests.conftest import ROOT
from tests.containers.load import Load, token
from tests.faults.apps import order
from tests.faults.fleet import Fleet
from tests.faults.hosts import IP, TwoHosts, second_host
from tests.faults.sentinel import HAPROXY
from tests.faults.verdict import LEFT_OVER, OVERLAPS, rows
from tests.system import until

pytestmark = [
    pytest.mark.by_hand,
    pytest.mark.timeout(280),
    pytest.mark.skipif(not (HAPROXY and IP and os.geteuid() == 0), reason="needs root, haproxy and iproute2"),
]

# Searches end meanwhile too.
CUT_SECONDS, TTL_SECONDS = 15.0, 8
# The product's 3 s, and what the client itself is late by.
ANSWER_SECONDS = 3.2
LEFT_SECONDS, BACK_SECONDS = 5.0, 60.0
AT_ONCE_SECONDS, LATE_SECONDS = 1.0, 2.0
ASKED_EACH_SECOND = 10
# The longest time (s) that a search went on past its end.
LATE = """
    SELECT max(extract(epoch FROM at - expires_at))::float
    FROM order_events JOIN orders ON orders.id = order_id WHERE type = 'order_expired'
"""


@pytest.fixture(params=["web2", "orders2", "sweeps2", "beat2"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwoHosts]:
    directory = tmp_path / "fleet"
    directory.mkdir()
    fleet = Fleet(ROOT, directory, ORDER_TTL_SECONDS=str(TTL_SECONDS), READS_PER_MINUTE_PER_ADDRESS="0")
    try:
        fleet.start_stores()
        with second_host(f"w{os.getpid() % 10**6}") as other:
            made = TwoHosts(fleet, other, tmp_path, request.param)
            with made.balanced():
                made.start()
                until(lambda: made.uses("one") and made.uses("two"), 20)
                yield made
    finally:
        fleet.stop()


def ask_directly(web: str, seconds: float) -> list[tuple[int, float]]:
    """Orders and reads of one web server at an even pace: status (0: no answer) and time (s) of each."""

    async def ask(client: httpx.AsyncClient, number: int) -> tuple[int, float]:
        headers = token(DEVELOPMENT_SECRET, "customer", f"direct-{uuid4().hex[:12]}")
        begun = time.monotonic()
        try:
            if number % 2:
                answer = await client.get("/orders", headers=headers)
            else:
                answer = await client.post("/orders", headers=headers, json=scenes.body())
        except httpx.HTTPError:
            return 0, time.monotonic() - begun
        return answer.status_code, time.monotonic() - begun

    async def ask_all() -> list[tuple[int, float]]:
        async with httpx.AsyncClient(base_url=f"http://{web}/api/v1", timeout=20) as client:
            asked = []
            for number in range(int(seconds * ASKED_EACH_SECOND)):
                asked.append(asyncio.create_task(ask(client, number)))
                await asyncio.sleep(1 / ASKED_EACH_SECOND)
            return await asyncio.gather(*asked)

    return asyncio.run(ask_all())


def test_a_host_that_is_cut_off_from_the_stores_holds_nobody_up(site: TwoHosts) -> None:
    load = Load(site.url, DEVELOPMENT_SECRET)
    left: list[float] = []
    direct: list[tuple[int, float]] = []

    def cut_off() -> None:
        with ThreadPoolExecutor(1) as pool, site.host.cut_off():
            begun = time.monotonic()
            if site.remote == "web2":
                asking = pool.submit(ask_directly, site.address("web2"), CUT_SECONDS)
                until(lambda: not site.uses("two"), 2 * LEFT_SECONDS, "the balancer goes on")
                left.append(time.monotonic() - begun)
                direct.extend(asking.result())
            else:
                time.sleep(CUT_SECONDS)
        until(lambda: site.uses("two"), 20, "the balancer does not come back")

    load.beside(cut_off)
    slowest = max(sent.seconds for sent in load.sent)
    print(f"\n{site.remote} cut off: {load.firsts()}; slowest {slowest:.1f} s")
    if site.remote == "web2":
        worst = max(seconds for _, seconds in direct)
        statuses = Counter(status for status, _ in direct)
        print(f"left after {left[0]:.1f} s; asked directly {dict(statuses)}, slowest {worst:.1f} s")
        assert left[0] < LEFT_SECONDS
        assert set(statuses) == {503}
        assert worst < ANSWER_SECONDS
    else:
        assert not load.but("201", "202")
    if site.remote == "orders2":
        # The worker is back: nobody else places orders before the sweeps do, after 2 s.
        site.fleet.kill("orders1")
        del site.fleet.processes["orders1"]
        until(partial(_placed_at_once, site), BACK_SECONDS, "the worker does not come back")
    assert slowest < ANSWER_SECONDS
    assert not asyncio.run(load.lost())
    assert not site.fleet.ended()
    url = site.fleet.postgres.url
    for kind, query in LEFT_OVER.items():
        until(partial(_nothing_left, url, query), 5 * TTL_SECONDS, kind)
    assert not rows(url, OVERLAPS)
    late = rows(url, LATE)[0][0]
    print(f"a search ended at most {late:.1f} s late")
    assert late < LATE_SECONDS


def _nothing_left(url: str, query: str) -> bool:
    return not rows(url, query)[0][0]


def _placed_at_once(site: TwoHosts) -> bool:
    begun = time.monotonic()
    placed = order(site.fleet.port("web1"), f"after-{uuid4().hex[:12]}").status == 201
    return placed and time.monotonic() - begun < AT_ONCE_SECONDS
