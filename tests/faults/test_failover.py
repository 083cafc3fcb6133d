"""A planned and an unplanned failover of Redis behind HAProxy: nothing is lost, no process ends."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import ROOT
from tests.faults.apps import order, placed, works
from tests.faults.fleet import Fleet
from tests.faults.http import Answer, Cut
from tests.faults.sentinel import HAPROXY, Pair

pytestmark = [
    pytest.mark.by_hand,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not HAPROXY, reason="no haproxy here: apt-get install haproxy"),
]

NAMES = ("web1", "web2", "orders1", "sweeps1", "beat1")
# Orders are sent before it, meanwhile, and for longer than an old primary says that it still is one.
BEFORE_SECONDS, AFTER_SECONDS = 1.0, 15.0
LATE_SECONDS = 5.0
PACE_SECONDS = 0.1


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Pair(tmp_path_factory.mktemp("pair")) as started:
        yield started


@pytest.fixture(scope="module")
def behind(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A system whose Redis is that pair."""
    started = Fleet(ROOT, tmp_path_factory.mktemp("fleet"), REDIS_URL=pair.url)
    try:
        started.start(NAMES)
        yield started
    finally:
        started.stop()


@pytest.mark.parametrize("how", ["killed", "on purpose"])
@pytest.mark.parametrize("turn", range(10))
def test_a_failover_ends_no_process_and_loses_no_order(
    behind: Fleet, pair: Pair, how: str, turn: int
) -> None:
    name = f"{how.replace(' ', '-')}-{turn}"
    answers: dict[str, tuple[float, Answer | Cut]] = {}
    begun = time.monotonic()

    def ask(customer: str) -> None:
        at = time.monotonic() - begun
        try:
            answers[customer] = (at, order(behind.web_ports[len(answers) % 2], customer))
        except Cut as cut:
            answers[customer] = (at, cut)

    before = pair.primary
    with ThreadPoolExecutor(16) as pool:
        failed = False
        while (now := time.monotonic() - begun) < BEFORE_SECONDS + AFTER_SECONDS:
            pool.submit(ask, f"{name}-{now * 1000:.0f}")
            if now > BEFORE_SECONDS and not failed:
                failed = True
                pair.kill() if how == "killed" else pair.fail_over()
            time.sleep(PACE_SECONDS)
    pair.restore(before)
    statuses = [getattr(answer, "status", None) for _, answer in answers.values()]
    late = [at - BEFORE_SECONDS for at, answer in answers.values() if getattr(answer, "status", None) == 202]
    print(
        f"{how}: {len(answers)} orders, {statuses.count(201)} 201, {len(late)} 202"
        + (f" from {min(late):.1f} to {max(late):.1f} s" if late else "")
    )
    assert set(statuses) <= {201, 202}
    assert max(late, default=0) < LATE_SECONDS
    placed(behind, list(answers), 10)
    assert not behind.ended()
    works(behind, behind.web_ports[0], f"{name}-after")
    assert asyncio.run(behind.wait_until(behind.web_ports[0], "/ready", 10))
