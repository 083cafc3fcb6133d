"""Workers and beat outlive a Redis that answers and refuses, and work again as soon as it does not."""

import time
from collections.abc import Iterator

import pytest
import redis

from tests.conftest import Stores
from tests.integration.test_stores_refusing import REFUSALS, valkey_turns
from tests.system import System, until

SIGNS = ["alive:beat", "alive:queue:orders", "alive:queue:sweeps"]
# Each process has met the refusal in whatever it does every second or two.
REFUSED_SECONDS = 2.5


@pytest.fixture(scope="module")
def crew(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Both kinds of workers and beat."""
    system = System(stores.environment, tmp_path_factory.mktemp("crew"))
    try:
        for name in ("orders", "sweeps", "beat"):
            system.run(name, system.commands[name])
        until(lambda: heard(stores), 30, "the crew did not start")
        yield system
    finally:
        system.stop()


def heard(stores: Stores) -> bool:
    with redis.Redis.from_url(stores.valkey.url) as client:
        return all(client.mget(SIGNS))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", REFUSALS)
def test_no_process_ends_and_all_work_again_within_five_seconds(
    way: str, crew: System, stores: Stores
) -> None:
    valkey_turns(stores, way)
    try:
        time.sleep(REFUSED_SECONDS)
    finally:
        valkey_turns(stores, "whole")
    with redis.Redis.from_url(stores.valkey.url) as client:
        client.delete(*SIGNS)
    until(lambda: heard(stores), 5, f"not all of them work again; see {crew.logs}")
    assert {name: process.poll() for name, process in crew.processes.items()} == dict.fromkeys(crew.processes)
