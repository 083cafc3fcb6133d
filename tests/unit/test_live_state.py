"""What the short modules over Redis promise, on a fakeredis of each test's own: no server, no waiting."""

from collections.abc import Iterator
from typing import Any

import fakeredis
import pytest

from models import live
from models.live import figures, order_cache, order_lock, refusals, sweep_turns


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture(autouse=True)
def client(server: fakeredis.FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    client = fakeredis.FakeRedis(server=server, decode_responses=True)
    for module in (live, figures):
        monkeypatch.setattr(module, "commands", lambda: client)
    yield client
    client.close()


def test_an_order_that_has_changed_is_not_cached_by_a_reader_of_before(client: Any) -> None:
    order_cache.fill("o", "old")
    order_cache.drop(["o"])
    order_cache.fill("o", "old")
    assert order_cache.read("o") is None
    assert 0 < client.ttl("order:o") <= order_cache.DROPPED_SECONDS


def test_an_order_is_cached_again_once_the_mark_of_its_change_is_gone(client: Any) -> None:
    order_cache.drop(["o"])
    client.delete("order:o")
    order_cache.fill("o", "new")
    assert order_cache.read("o") == "new"


def test_sweeps_that_have_piled_up_run_once(client: Any) -> None:
    assert [sweep_turns.begin("expire") for _ in range(3)] == [True, False, False]
    assert sweep_turns.begin("waves")
    # No punctual run of the next second is left out.
    assert 0 < client.pttl("sweep:began:expire") <= sweep_turns.APART_MS < 1000


def test_every_sweep_runs_without_redis(server: fakeredis.FakeServer) -> None:
    server.connected = False
    assert [sweep_turns.begin("expire") for _ in range(2)] == [True, True]


def test_a_lock_is_released_by_its_holder_alone(client: Any) -> None:
    client.set(order_lock.key("asha"), "mine")
    assert not order_lock.release("asha", "somebody else's")
    assert client.get(order_lock.key("asha")) == "mine"
    assert order_lock.release("asha", "mine")
    assert not order_lock.release("asha", "mine")


def test_refusals_are_added_up_and_forgotten_after_a_minute_without_any(client: Any) -> None:
    assert refusals.count() == 0
    refusals.add(2)
    refusals.add(3)
    assert refusals.count() == 5
    assert 0 < client.ttl(refusals.KEY) <= refusals.SECONDS


def test_figures_that_took_long_are_kept_and_cheap_ones_are_counted_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[int] = []

    def count() -> dict[str, int]:
        counted.append(1)
        return {"orders": len(counted)}

    assert [figures.kept("cheap", count) for _ in range(2)] == [{"orders": 1}, {"orders": 2}]
    monkeypatch.setattr(figures, "CHEAP_SECONDS", -1.0)
    # Kept for long enough that the second question is no later.
    monkeypatch.setattr(figures, "TIMES_AS_LONG", 10_000)
    assert [figures.kept("dear", count) for _ in range(2)] == [{"orders": 3}, {"orders": 3}]


def test_figures_are_counted_without_redis(server: fakeredis.FakeServer) -> None:
    server.connected = False
    assert figures.kept("orders", lambda: {"orders": 1}) == {"orders": 1}
    figures.remember({"orders": {"orders": 2}}, seconds=60)
    assert figures.recall(["orders"]) == [None]
