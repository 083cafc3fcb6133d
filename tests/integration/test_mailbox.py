"""The mailbox against a real Valkey: ids, repetition, acknowledgement, limits."""

import json
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from models import live
from models.live import mailbox
from models.messages import Message

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
ANNA = "driver:anna"

pytestmark = pytest.mark.usefixtures("redis_url")


def store() -> Any:
    return live.commands()


def put(*keys: str, to: str = ANNA, unless: str = "") -> int:
    return mailbox.put([Message(to, "note", {"key": key}, key, unless) for key in keys], NOW)


def content(frames: list[mailbox.Frame]) -> list[str]:
    return [json.loads(frame.text)["data"]["key"] for frame in frames]


def pending(last_event_id: int | None = None, person: str = ANNA) -> list[mailbox.Frame]:
    return mailbox.open(person, last_event_id).pending


def test_a_message_comes_out_as_the_contract_shapes_it() -> None:
    mailbox.put([Message(ANNA, "new_broadcast", {"orderId": "o1", "city": "Gurugrām"})], NOW)
    (frame,) = pending()
    assert json.loads(frame.text) == {
        "type": "new_broadcast",
        "id": frame.id,
        "at": "2026-01-31T12:00:00.000Z",
        "data": {"orderId": "o1", "city": "Gurugrām"},
    }


def test_ids_grow_are_safe_in_javascript_and_leave_room() -> None:
    put(*(f"k{i}" for i in range(50)))
    ids = [frame.id for frame in pending()]
    assert all(later - earlier >= 100 for earlier, later in pairwise(ids))
    assert ids[-1] < 2**53


def test_ids_are_not_used_again_after_a_flushall() -> None:
    put("before")
    (before,) = pending()
    store().flushall()
    put("after")
    (after,) = pending(before.id)
    assert after.id > before.id


def test_parallel_writers_give_every_message_its_own_id() -> None:
    writers = [threading.Thread(target=put, args=[f"{n}-{i}" for i in range(20)]) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ids = [frame.id for frame in pending()]
    assert len(set(ids)) == 160
    assert ids == sorted(ids)


def test_the_same_key_is_taken_once_and_keeps_its_id() -> None:
    assert put("offer:1") == 1
    first = pending()
    assert put("offer:1", "offer:1", "offer:2") == 1
    assert pending()[0] == first[0]
    assert content(pending()) == ["offer:1", "offer:2"]


def test_the_same_key_is_another_fact_in_another_mailbox() -> None:
    assert put("closed:o1") == 1
    assert put("closed:o1", to="driver:bela") == 1


def test_messages_without_a_key_are_all_taken() -> None:
    assert put("", "") == 2


def test_an_offer_that_comes_after_the_end_of_its_order_is_left_out() -> None:
    put("closed:o1")
    assert put("offer:1", unless="closed:o1") == 0
    assert put("offer:2", unless="closed:o2") == 1
    assert content(pending()) == ["closed:o1", "offer:2"]


def test_an_acknowledged_message_does_not_come_again_even_if_put_again() -> None:
    put("offer:1", "offer:2")
    first, second = pending()
    assert mailbox.acknowledge(ANNA, first.id) == 1
    put("offer:1")
    assert pending() == [second]


def test_last_event_id_acknowledges_everything_before_it() -> None:
    put("a", "b", "c")
    ids = [frame.id for frame in pending()]
    assert content(pending(ids[1])) == ["c"]
    assert content(pending()) == ["c"]
    assert content(pending(ids[0])) == ["c"]


@pytest.mark.parametrize("garbage", [2**53 - 1, 0])
def test_an_acknowledgement_of_the_future_does_not_reach_what_comes_later(garbage: int) -> None:
    put("a")
    mailbox.open(ANNA, garbage)
    mailbox.acknowledge(ANNA, garbage)
    put("b")
    opening = mailbox.open(ANNA)
    assert content(opening.pending)[-1] == "b"
    assert opening.connected_id < opening.pending[0].id


def test_an_acknowledgement_of_an_unknown_mailbox_writes_nothing() -> None:
    assert mailbox.acknowledge("driver:nobody", 10**15) == 0
    assert store().keys("mailbox:driver:nobody*") == []


def test_connected_comes_after_what_was_acknowledged_and_before_what_is_pending() -> None:
    put("a", "b")
    acknowledged, waiting = pending()
    seen = set()
    for _ in range(40):
        opening = mailbox.open(ANNA, acknowledged.id)
        assert acknowledged.id < opening.connected_id < waiting.id
        seen.add(opening.connected_id)
    assert len(seen) == 40


def test_connected_ids_grow_when_nothing_is_pending() -> None:
    ids = [mailbox.open(ANNA).connected_id for _ in range(3)]
    assert ids == sorted(set(ids))
    put("a")
    assert pending()[0].id > ids[-1]


def test_since_returns_what_was_kept_after_an_id() -> None:
    put("a", "b", "c")
    ids = [frame.id for frame in pending()]
    assert content(mailbox.since(ANNA, ids[0]).frames) == ["b", "c"]
    assert mailbox.since(ANNA, ids[2]).frames == []


def test_many_mailboxes_are_read_together_as_each_alone() -> None:
    other, lost = "driver:other", "customer:lost"
    holder = mailbox.open(other).holder
    put("a", "b")
    first = pending()[0].id
    places = [(other, 0), (ANNA, first), (lost, 0), (ANNA, 0)]
    looks = mailbox.since_all(places)
    assert looks == [mailbox.since(person, after) for person, after in places]
    assert [content(look.frames) for look in looks] == [[], ["b"], [], ["a", "b"]]
    assert (looks[0].holder, looks[2].holder) == (holder, 0)
    assert store().ttl(f"mailbox:{other}:state") > mailbox.SECONDS - 10


def test_a_newer_opening_is_the_holder() -> None:
    first = mailbox.open(ANNA).holder
    second = mailbox.open(ANNA).holder
    assert second > first
    assert mailbox.since(ANNA, 0).holder == second
    store().flushall()
    assert mailbox.since(ANNA, 0).holder == 0


def test_passing_messages_are_not_kept_but_have_their_place_in_the_order() -> None:
    put("a")
    assert mailbox.pass_on([Message(ANNA, "location_updated", {"key": "p"})], NOW) == 1
    put("b")
    assert content(pending()) == ["a", "b"]


def test_publishing_names_the_message_before_so_that_a_gap_shows() -> None:
    listener = store().pubsub()
    listener.subscribe(mailbox.channel(ANNA))
    put("a", "b")
    mailbox.pass_on([Message(ANNA, "location_updated", {"key": "p"})], NOW)
    opening = mailbox.open(ANNA)
    (a, b), (passing,), (replaced,) = (mailbox.published(text) for text in published(listener, 3))
    assert isinstance(a, mailbox.Live)
    assert isinstance(b, mailbox.Live)
    assert isinstance(passing, mailbox.Live)
    assert [a.frame.text, b.frame.text] == [frame.text for frame in opening.pending]
    assert (a.previous, b.previous, passing.previous) == (0, a.frame.id, b.frame.id)
    assert passing.frame.id > b.frame.id
    assert replaced == mailbox.Replaced(opening.holder)
    listener.close()


def published(listener: Any, count: int) -> list[str]:
    found: list[str] = []
    deadline = time.monotonic() + 5
    while len(found) < count and time.monotonic() < deadline:
        message = listener.get_message(timeout=0.1)
        if message and message["type"] == "message":
            found.append(message["data"])
    return found


def test_a_drivers_mailbox_holds_the_newest_2000() -> None:
    for start in range(0, 2500, 250):
        put(*(f"k{i}" for i in range(start, start + 250)))
    assert content(pending()) == [f"k{i}" for i in range(500, 2500)]


def test_a_thousand_open_offers_keep_their_ids_whatever_follows() -> None:
    offers = [f"offer{i}" for i in range(1000)]
    put(*offers)
    before = {frame.key: frame.id for frame in pending()}
    put(*(f"closed{i}" for i in range(500)))
    assert put(*offers) == 0
    assert {frame.key: frame.id for frame in pending() if frame.key in before} == before


def test_keys_are_forgotten_after_their_time_but_never_those_still_in_the_mailbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Every key is past its time at once, even one whose id has run ahead of the clock.
    monkeypatch.setattr(mailbox, "again_seconds", lambda: -3600)
    for start in range(0, 2000, 100):
        put(*(f"k{i}" for i in range(start, start + 100)))
    assert put(*(f"k{i}" for i in range(2000))) == 0
    mailbox.acknowledge(ANNA, pending()[-1].id)
    for start in range(2000, 6000, 100):
        put(*(f"k{i}" for i in range(start, start + 100)))
        mailbox.acknowledge(ANNA, mailbox.LARGEST_ID)
    assert store().hlen(f"mailbox:{ANNA}:state") <= 600


def test_everything_of_a_mailbox_is_gone_after_an_hour_of_silence() -> None:
    put("a")
    mailbox.open(ANNA)
    mailbox.acknowledge(ANNA, 1)
    keys = store().keys("mailbox:*")
    assert sorted(keys) == [f"mailbox:{ANNA}", f"mailbox:{ANNA}:state"]
    assert all(0 < store().ttl(key) <= 3600 for key in keys)


def test_a_wave_of_a_thousand_offers_is_one_quick_call() -> None:
    wave = [
        Message(f"driver:d{i}", "new_broadcast", {"n": i}, f"offer:{i}", "closed:o1") for i in range(1000)
    ]
    before = time.monotonic()
    assert mailbox.put(wave, NOW) == 1000
    # Far below the time-out of a command, which would deliver it twice.
    assert time.monotonic() - before < live.COMMAND_TIMEOUT / 2


def test_what_is_put_often_lives_on_as_long_as_what_is_put_seldom() -> None:
    keys = [f"mailbox:{ANNA}", f"mailbox:{ANNA}:state"]
    if (left := 60 - time.time() % 60) < 5:
        time.sleep(left)
    assert put("o1") == 1
    for key in keys:
        assert store().ttl(key) > mailbox.SECONDS - 10
        store().expire(key, 100)
    # Within a minute of the clock it is not seen to again ...
    assert put("o2") == 1
    assert [store().ttl(key) for key in keys] == [pytest.approx(100, abs=5)] * 2
    # ... and in the next one it is, however little before it the last message came.
    minute = int(time.time()) // 60 * 60 * 1_000_000
    store().hset(keys[1], mapping={"last": minute - 1, "kept": minute - 1})
    assert put("o3") == 1
    assert all(store().ttl(key) > mailbox.SECONDS - 10 for key in keys)
