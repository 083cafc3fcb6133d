"""How an order begins: key, lock and limit in one question to Redis."""

import time
from collections.abc import Iterator
from typing import cast

import pytest
import redis

from models import live, settings
from models.live import idempotency, order_gate, order_lock
from models.live.order_gate import Entrant, Gate, RateLimited

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def three_a_minute(clean: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ORDERS_PER_MINUTE", "3")
    settings.load.cache_clear()
    yield
    monkeypatch.undo()
    settings.load.cache_clear()


def enter(customer_id: str, order_id: str = "o1", key: str | None = None) -> object:
    (met,) = order_gate.acquire([Entrant(order_id, customer_id, key)])
    return met


def test_the_first_enters_and_the_second_of_the_same_customer_finds_the_lock() -> None:
    asked = [Entrant("o1", "asha", None), Entrant("o2", "asha", None), Entrant("o3", "bina", None)]
    assert order_gate.acquire(asked) == [Gate.ACQUIRED, Gate.LOCKED, Gate.ACQUIRED]
    assert live.commands().get(order_lock.key("asha")) == "o1"
    assert live.commands().ttl(order_lock.key("asha")) in (9, 10)


def test_a_key_with_an_answer_takes_no_lock() -> None:
    answer = idempotency.CachedAnswer("o0", "ab", 201, "{}")
    live.run_all([idempotency.remembering("asha", "k", answer)])
    assert enter("asha", key="k") == answer
    assert live.commands().get(order_lock.key("asha")) is None
    assert enter("bina", key="k") is Gate.ACQUIRED


@pytest.mark.usefixtures("three_a_minute")
def test_the_limit_is_of_a_moving_minute_and_says_when_it_ends() -> None:
    for _ in range(3):
        pass_by(10)
        assert enter("asha") is Gate.ACQUIRED
        order_lock.release_quietly("asha", "o1")
    assert enter("asha") == RateLimited(40)
    assert live.commands().get(order_lock.key("asha")) is None
    assert enter("bina") is Gate.ACQUIRED
    pass_by(40)
    assert enter("asha") is Gate.ACQUIRED
    order_lock.release_quietly("asha", "o1")
    assert enter("asha") == RateLimited(10)


@pytest.mark.usefixtures("three_a_minute")
def test_a_web_process_whose_clock_is_ahead_limits_like_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        assert enter("asha") is Gate.ACQUIRED
        order_lock.release_quietly("asha", "o1")
    ahead = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: ahead)
    assert enter("asha") == RateLimited(60)


def pass_by(seconds: float) -> None:
    """As if the orders so far had begun so much earlier."""
    kept = cast("list[str]", live.commands().lrange("orders:rate:asha", 0, -1))
    begun = [float(score) - seconds for score in kept]
    live.commands().delete("orders:rate:asha")
    if begun:
        live.commands().rpush("orders:rate:asha", *begun)


@pytest.mark.usefixtures("three_a_minute")
def test_what_did_not_begin_is_not_counted() -> None:
    for _ in range(5):
        assert enter("asha") is Gate.ACQUIRED
        order_gate.undo("asha", "o1")
    assert live.commands().keys("*asha*") == []


@pytest.mark.usefixtures("three_a_minute")
def test_only_who_holds_the_lock_can_leave() -> None:
    assert enter("asha") is Gate.ACQUIRED
    order_gate.undo("asha", "another")
    assert live.commands().get(order_lock.key("asha")) == "o1"
    assert live.commands().llen("orders:rate:asha") == 1


def test_without_redis_it_says_so() -> None:
    live.breaker.trip()
    live.commands().connection_pool.disconnect()
    with pytest.raises(redis.RedisError):
        enter("asha")
    order_gate.undo("asha", "o1")
