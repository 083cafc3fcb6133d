"""All is restarted while orders come through nginx: none is refused for good, each socket is closed once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.settings import DEVELOPMENT_SECRET
from tests import nginx
from tests.conftest import ROOT
from tests.containers.load import Load
from tests.faults import rolling
from tests.faults.fleet import Fleet

pytestmark = [pytest.mark.long, pytest.mark.timeout(280)]

NO_LIMITS = {"SOCKETS_PER_ADDRESS": "0", "READS_PER_MINUTE_PER_ADDRESS": "0"}
MANY = 500
WEBS = ("web1", "web2", "web3", "web4")
# On a machine that does nothing else; beside other work 500 sockets have taken 10 s.
BACK_SECONDS = 5.0


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A system of its own: in the end none of its processes is one that it began with."""
    directory = tmp_path / "fleet"
    directory.mkdir()
    started = Fleet(ROOT, directory, ORDER_TTL_SECONDS="20", WEB_CONCURRENCY="2", **NO_LIMITS)
    try:
        started.start(rolling.BEFORE)
        yield started
    finally:
        started.stop()


@pytest.fixture
def front(fleet: Fleet, tmp_path: Path) -> Iterator[str]:
    """nginx before the servers that there are, and before those that take their place."""
    # Its worker has another account, and is to write there.
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        directory.chmod(0o755)
    webs = tuple(f"http://127.0.0.1:{fleet.port(name)}" for name in WEBS)
    with nginx.running(webs, tmp_path, {}) as url:
        yield url


@pytest.mark.parametrize(
    ("orders_per_second", "drivers"), [(5, 40), pytest.param(20, MANY, marks=pytest.mark.by_hand)]
)
def test_a_restart_of_everything_refuses_nobody_for_good_and_closes_each_socket_once(
    fleet: Fleet, front: str, orders_per_second: int, drivers: int
) -> None:
    load = Load(front, DEVELOPMENT_SECRET, orders_per_second, drivers)
    print()

    def seen(line: str, seconds: float) -> None:
        print(f"{line:8} replaced in {seconds:4.1f} s; sockets closed so far {load.cuts.total()}")

    load.beside(lambda: rolling.restart(fleet, seen))
    print(f"first answers: {load.firsts()}; sockets back within {max(load.gaps):.1f} s")
    assert not load.but("201", "202", "503 with Retry-After")
    assert load.cuts == dict.fromkeys(load.cuts, 1)
    assert len(load.cuts) == len(load.gaps) == drivers
    assert not asyncio.run(load.lost())
    assert not fleet.ended()
    assert drivers < MANY or max(load.gaps) < BACK_SECONDS
