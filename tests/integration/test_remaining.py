"""The number of missing trucks is sent rarely, from the state, and the last one is right."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest
import redis

from models import live
from models.live import mailbox
from models.messages import Message
from tasks import followups, offers, remaining, trips
from tests import scenes
from tests.system import until
from workers import order_turns
from workers.offers import accepting, announcing
from workers.orders import cancelling, expiring

pytestmark = pytest.mark.usefixtures("clean")

TRUCKS = 6
UPDATE = "trucks_remaining_update"


@contextmanager
def listening(url: str, person: str) -> Iterator[list[tuple[float, dict[str, Any]]]]:
    """What is published for a person meanwhile: when, and the whole message."""
    heard: list[tuple[float, dict[str, Any]]] = []
    client = redis.Redis.from_url(url, decode_responses=True)
    subscription: Any = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    subscription.subscribe(mailbox.channel(person))
    ended = threading.Event()

    def listen() -> None:
        while not ended.is_set():
            found = subscription.get_message(timeout=0.05)
            for message in mailbox.published(found["data"]) if found else ():
                if isinstance(message, mailbox.Live):
                    heard.append((time.monotonic(), orjson.loads(message.frame.text)))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield heard
    finally:
        ended.set()
        thread.join()
        subscription.close()
        client.close()


def numbers(heard: list[tuple[float, dict[str, Any]]]) -> list[int]:
    return [frame["data"]["trucksStillNeeded"] for _, frame in heard if frame["type"] == UPDATE]


def test_many_accepts_are_one_update_in_half_a_second_and_the_last_number_arrives(redis_url: str) -> None:
    drivers = [scenes.driver(f"d{number}") for number in range(TRUCKS + 1)]
    order_id = scenes.placed(trucks=TRUCKS + 1).order_id
    with (
        listening(redis_url, f"driver:{drivers[-1]}") as at_driver,
        listening(redis_url, "customer:asha") as at_customer,
    ):
        begun = time.monotonic()
        for driver in drivers[:-1]:
            offers.accept(driver, order_id)
            time.sleep(0.15)
        lasted = time.monotonic() - begun
        until(lambda: numbers(at_driver)[-1:] == [1], what="the last number did not arrive")
        until(lambda: numbers(at_customer)[-1:] == [1], what="the customer was not notified")
        time.sleep(2 * remaining.INTERVAL_SECONDS)
    for heard in (at_driver, at_customer):
        moments = [at for at, frame in heard if frame["type"] == UPDATE]
        assert len(moments) <= lasted / remaining.INTERVAL_SECONDS + 2
        # One that was heard late is followed sooner; an update for each accept would come after 0.15 s.
        assert all(after - before >= 0.5 * remaining.INTERVAL_SECONDS for before, after in pairwise(moments))
        assert numbers(heard) == sorted(numbers(heard), reverse=True)
    data = [frame["data"] for _, frame in at_driver if frame["type"] == UPDATE][-1]
    assert data == {
        "orderId": order_id,
        "vehicleType": "TRUCK",
        "vehicleSubtype": "TATA_ACE",
        "trucksStillNeeded": 1,
    }


def test_the_number_is_kept_nowhere(redis_url: str) -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    order_id = scenes.placed(trucks=2).order_id
    won = accepting.accept("one", order_id)
    assert won.followup is not None
    assert UPDATE not in {message.type for message in won.followup.messages}
    with listening(redis_url, "driver:two") as heard:
        followups.follow(won.followup)
        until(lambda: numbers(heard) == [1])
    for person in ("driver:two", "customer:asha"):
        assert UPDATE not in {frame.type for frame in mailbox.since(person, 0).frames}
    store: Any = live.commands()
    assert all(0 < store.ttl(key) <= remaining.MARK_SECONDS for key in store.keys("remaining:*"))


def test_a_truck_that_is_given_back_counts_again(redis_url: str) -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    truck_id = offers.accept("one", order_id)["truckRequestId"]
    with listening(redis_url, "customer:asha") as heard:
        trips.give_back("one", truck_id, "a flat tyre")
        until(lambda: numbers(heard)[-1:] == [1])


def test_a_sender_that_died_delays_the_number_for_seconds_only(redis_url: str) -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    order_id = scenes.placed(trucks=2).order_id
    # A mark, and nobody who goes on from it.
    pipeline = live.Pipeline()
    remaining.mark(pipeline, order_id, "truck:tata_ace")
    pipeline.execute()
    live.commands().expire(f"remaining:{order_id}:truck:tata_ace", 1)
    time.sleep(1.1)
    with listening(redis_url, "driver:two") as heard:
        offers.accept("one", order_id)
        until(lambda: numbers(heard) == [1])


def test_after_the_end_of_a_search_no_number_is_sent() -> None:
    scenes.driver("one")
    ended = scenes.placed("asha", trucks=2).order_id
    cancelled = scenes.placed("ravi", trucks=2).order_id
    filled = scenes.placed("mina").order_id
    assert [message.to for message in announcing.remaining(ended, "truck:tata_ace")] == [
        "customer:asha",
        "driver:one",
    ]
    expiring.end_now(ended, "olga")
    cancelling.cancel("ravi", cancelled, "changed my mind")
    accepting.accept("one", filled)
    assert announcing.remaining(ended, "truck:tata_ace") == []
    assert announcing.remaining(cancelled, "truck:tata_ace") == []
    (told,) = announcing.remaining(filled, "truck:tata_ace")
    assert (told.to, told.data["trucksStillNeeded"]) == ("customer:mina", 0)


def test_no_call_of_a_mailbox_takes_more_than_a_hundred_messages(redis_url: str) -> None:
    client = live.commands()
    client.config_set("slowlog-max-len", 20_000)
    client.config_set("slowlog-log-slower-than", 0)
    client.slowlog_reset()
    told = [Message(f"driver:d{i}", "note", {"n": i}, f"k{i}") for i in range(450)]
    told += [Message("driver:one", "note", {"n": i}, f"k{i}") for i in range(250)]
    try:
        assert mailbox.put(told, datetime.now(UTC)) == 700
        assert mailbox.pass_on(told[:250], datetime.now(UTC)) == 0
        found: Any = client.slowlog_get(20_000)
    finally:
        client.config_set("slowlog-log-slower-than", 10_000)
        client.config_set("slowlog-max-len", 128)
    calls = [
        command["command"].decode().split(" ")
        for command in found
        if command["command"].startswith(b"EVALSHA")
    ]
    # Two keys for each person.
    assert len(calls) == 10
    assert all(int(call[2]) <= 200 for call in calls)
    assert [frame.key for frame in mailbox.since("driver:one", 0).frames] == [f"k{i}" for i in range(250)]


def test_a_crowd_around_one_order_holds_two_connections_of_this_process() -> None:
    begun, guard, inside, most = threading.Barrier(20), threading.Lock(), [0], [0]

    def change() -> None:
        begun.wait()
        with order_turns.turn("o1"):
            with guard:
                inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.002)
            with guard:
                inside[0] -= 1

    threads = [threading.Thread(target=change) for _ in range(20)]
    for thread in threads:
        thread.start()
    with order_turns.turn("another"):
        for thread in threads:
            thread.join()
    assert most == [order_turns.AT_ONCE] == [2]
    assert not order_turns._queues
