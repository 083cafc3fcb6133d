"""The one subscription of a web process: confirmed, restored, shared by many threads."""

import json
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from models import live
from tests.conftest import NOWHERE, process_settings
from tests.system import until
from web.wakeups import Wakeups


@pytest.fixture
def wakeups(redis_url: str) -> Iterator[Wakeups]:
    started = Wakeups()
    yield started
    started.stop()


class Listener:
    """Keeps what it is called with."""

    def __init__(self) -> None:
        self.told: queue.Queue[str | None] = queue.Queue()

    def __call__(self, payload: str | None) -> None:
        self.told.put(payload)

    def next(self) -> str | None:
        return self.told.get(timeout=5)


def publish(channel: str, payload: str) -> int:
    store: Any = live.commands()
    return int(store.publish(channel, payload))


def outcome(wakeups: Wakeups, order_id: str) -> None:
    publish(f"web:{wakeups.instance}", json.dumps([{"orderId": order_id, "status": 201}]))


def cut_subscriptions() -> None:
    store: Any = live.commands()
    assert store.client_kill_filter(_type="pubsub")


def test_a_callback_that_fails_costs_nobody_else_anything(wakeups: Wakeups) -> None:
    def fail(_: str | None) -> None:
        raise RuntimeError("a mistake of ours")

    other, same = Listener(), Listener()
    wakeups.subscribe("driver:one", fail)
    wakeups.subscribe("driver:one", same)
    wakeups.subscribe("driver:other", other)
    for person in ("one", "other"):
        publish(f"person:driver:{person}", person)
    assert (same.next(), other.next()) == ("one", "other")
    assert same.told.empty()


def test_others_may_wait_beside_the_request_that_expects_an_order(wakeups: Wakeups) -> None:
    assert wakeups.outcome_within("nobody expects", 5)
    with wakeups.expect("o"):
        begun = time.monotonic()
        assert not wakeups.outcome_within("o", 0.2)
        assert time.monotonic() - begun >= 0.2
        outcome(wakeups, "o")
        assert wakeups.outcome_within("o", 5)


def test_a_subscription_is_confirmed_when_it_returns(wakeups: Wakeups) -> None:
    for number in range(20):
        listener = Listener()
        wakeups.subscribe(f"driver:{number}", listener)
        assert publish(f"person:driver:{number}", "hello") == 1
        assert listener.next() == "hello"


def test_only_subscribers_are_called_and_only_while_they_subscribe(wakeups: Wakeups) -> None:
    anna, second, bela = Listener(), Listener(), Listener()
    wakeups.subscribe("driver:anna", anna)
    wakeups.subscribe("driver:anna", second)
    wakeups.subscribe("driver:bela", bela)
    publish("person:driver:anna", "one")
    assert [anna.next(), second.next()] == ["one", "one"]
    wakeups.unsubscribe("driver:anna", anna)
    wakeups.unsubscribe("driver:anna", anna)
    publish("person:driver:anna", "two")
    assert second.next() == "two"
    wakeups.unsubscribe("driver:anna", second)
    until(lambda: publish("person:driver:anna", "three") == 0)
    publish("person:driver:bela", "four")
    assert bela.next() == "four"
    assert anna.told.empty()
    assert second.told.empty()


def test_every_subscriber_is_called_after_a_lost_connection(wakeups: Wakeups) -> None:
    anna, bela = Listener(), Listener()
    wakeups.subscribe("driver:anna", anna)
    wakeups.subscribe("driver:bela", bela)
    cut_subscriptions()
    assert [anna.next(), bela.next()] == [None, None]
    publish("person:driver:anna", "again")
    assert anna.next() == "again"


def test_an_outcome_reaches_every_request_that_waits_for_it(wakeups: Wakeups) -> None:
    with wakeups.expect("o1") as first, wakeups.expect("o1") as second, wakeups.expect("o2") as other:
        outcome(wakeups, "o1")
        assert first.wait(5) == second.wait(5) == {"orderId": "o1", "status": 201}
        assert other.wait(0) is None
        outcome(wakeups, "o1")
        outcome(wakeups, "o2")
        assert other.wait(5)
    with wakeups.expect("o1") as late:
        assert late.wait(0) is None


def test_outcomes_arrive_again_after_a_lost_connection(wakeups: Wakeups) -> None:
    with wakeups.expect("o1") as waiter:
        cut_subscriptions()
        until(lambda: publish(f"web:{wakeups.instance}", json.dumps([{"orderId": "o1"}])))
        assert waiter.wait(5)


def test_people_who_come_and_go_at_once_are_all_served(wakeups: Wakeups) -> None:
    heard = []

    def come_and_go(number: int) -> None:
        for _ in range(30):
            listener = Listener()
            wakeups.subscribe(f"driver:{number % 3}", listener)
            publish(f"person:driver:{number % 3}", "hello")
            heard.append(listener.next())
            wakeups.unsubscribe(f"driver:{number % 3}", listener)

    threads = [threading.Thread(target=come_and_go, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert heard == ["hello"] * 240


def test_without_redis_nobody_waits_long_and_everything_works_afterwards(wakeups: Wakeups) -> None:
    with process_settings(REDIS_URL=NOWHERE["REDIS_URL"]):
        before = time.monotonic()
        with pytest.raises(redis.ConnectionError):
            wakeups.subscribe("driver:anna", Listener())
        with wakeups.expect("o1") as waiter:
            assert waiter.wait(0.01) is None
        assert time.monotonic() - before < 5
    listener = Listener()
    until(lambda: subscribed(wakeups, listener))
    publish("person:driver:anna", "hello")
    assert listener.next() == "hello"


def subscribed(wakeups: Wakeups, listener: Listener) -> bool:
    try:
        wakeups.subscribe("driver:anna", listener)
    except redis.ConnectionError:
        return False
    return True


def test_stopping_leaves_no_thread_and_a_later_use_starts_again(wakeups: Wakeups) -> None:
    before = threading.active_count()
    wakeups.subscribe("driver:anna", Listener())
    assert threading.active_count() == before + 1
    wakeups.stop()
    assert threading.active_count() == before
    wakeups.stop()
    listener = Listener()
    wakeups.subscribe("driver:bela", listener)
    publish("person:driver:bela", "hello")
    assert listener.next() == "hello"
