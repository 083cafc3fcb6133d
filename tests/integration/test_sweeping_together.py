"""What is due is done some at a time: each order ends, or is asked for, as if it were alone."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import redis
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from models import db, outbox
from models.messages import Message
from models.outbox import Followup, Notice
from tasks import sweeps
from tests import scenes
from workers.offers import waves
from workers.orders import expiring
from workers.reading import current

pytestmark = pytest.mark.usefixtures("clean")


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def told(followups: Sequence[Followup]) -> dict[str, list[tuple[str, str]]]:
    return {
        followup.order_id: [(message.to, message.type) for message in followup.messages]
        for followup in followups
    }


def status(order_id: str) -> str:
    return str(current.order(order_id)["order"]["status"])


def test_searches_that_end_together_notify_each_its_own_people() -> None:
    scenes.driver("ravi", 1)
    scenes.driver("mira", 1, vehicle=("TRUCK", "OPEN_17FT"))
    one = scenes.placed("asha").order_id
    other = scenes.placed("bina", vehicle=("TRUCK", "OPEN_17FT")).order_id
    assert told(expiring.expire_all([one, other], later(61))) == {
        one: [("customer:asha", "order_expired"), ("driver:ravi", "order_expired")],
        other: [("customer:bina", "order_expired"), ("driver:mira", "order_expired")],
    }
    assert (status(one), status(other)) == ("expired", "expired")
    assert expiring.expire_all([one, other], later(62)) == []


def test_a_locked_order_does_not_delay_the_others() -> None:
    held, free = scenes.placed("asha").order_id, scenes.placed("bina").order_id
    with db.transaction() as elsewhere:
        elsewhere.execute(text("SELECT FROM orders WHERE id = :id FOR UPDATE"), {"id": held})
        assert list(told(expiring.expire_all([held, free], later(61)))) == [free]
        assert waves.next_waves([held], later(11)) == []
    assert (status(held), status(free)) == ("active", "expired")


def test_waves_that_go_out_together_ask_each_its_own_drivers() -> None:
    one, other = scenes.placed("asha").order_id, scenes.placed("bina", vehicle=("TRUCK", "LCV")).order_id
    nobody = scenes.placed("carl", vehicle=("TRUCK", "CRANE")).order_id
    scenes.driver("ravi", 1)
    scenes.driver("mira", 1, vehicle=("TRUCK", "LCV"))
    asked = told(waves.next_waves([one, other, nobody], later(11)))
    assert asked == {one: [("driver:ravi", "new_broadcast")], other: [("driver:mira", "new_broadcast")]}
    # Nobody is asked twice in one search, and a wave that was sent is not due again.
    assert waves.next_waves([one, other, nobody], later(12)) == []
    for number in range(3, 6):
        found = told(waves.next_waves([one, other, nobody], later(10 * number)))
    assert found == {nobody: [("customer:carl", "order_no_supply")]}


def test_earlier_messages_of_an_order_are_sent_first() -> None:
    one, other = scenes.placed("asha").order_id, scenes.placed("bina").order_id
    before = [Message("customer:asha", "note", {"number": number}) for number in (1, 2)]
    with db.transaction() as connection:
        connection.execute(text("DELETE FROM outbox"))
        for message in before:
            outbox.add(connection, one, [message])
        now = Message("customer:asha", "note", {"number": 3})
        first, second = outbox.add_all(connection, [Notice(one, [now]), Notice(other, [])])
    assert [list(earlier.messages) for earlier in first.earlier] == [[before[0]], [before[1]]]
    assert list(first.messages) == [now]
    assert second.earlier == []


class Steps:
    """A step that fails for some orders, and remembers who was asked for."""

    def __init__(self, error: Exception, failing: str) -> None:
        self.error, self.failing = error, failing
        self.asked: list[list[str]] = []

    def __call__(self, order_ids: Sequence[str]) -> list[Followup]:
        self.asked.append(list(order_ids))
        if self.failing in order_ids:
            raise self.error
        return [Followup(0, order_id) for order_id in order_ids]


class LockNotAvailable(Exception):
    pgcode = "55P03"


@pytest.mark.parametrize(
    "error",
    [ValueError("wrong"), OperationalError("UPDATE", {}, LockNotAvailable())],
    ids=["ours", "Postgres"],
)
def test_one_that_fails_does_not_stop_the_others(error: Exception) -> None:
    step = Steps(error, "b")
    assert sweeps._each("expire", ["a", "b", "c"], sweeps._then_follow(step)) == 2
    assert step.asked == [["a", "b", "c"], ["a"], ["b", "c"], ["b"], ["c"]]


def test_a_store_that_is_away_is_asked_once() -> None:
    step = Steps(redis.ConnectionError(), "b")
    assert sweeps._each("expire", ["a", "b", "c"], sweeps._then_follow(step)) == 0
    assert step.asked == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("due", "together"), [(sweeps.BACKLOG - 1, sweeps.PIECE), (sweeps.BACKLOG, sweeps.TOGETHER)]
)
def test_a_backlog_is_taken_in_larger_pieces(due: int, together: int) -> None:
    step = Steps(ValueError(), "nobody")
    orders = [str(number) for number in range(due)]
    assert sweeps._each("expire", orders, sweeps._then_follow(step), spread=True) == due
    assert {len(some) for some in step.asked[:-1]} == {together}


def test_a_sweep_without_a_backlog_pauses_as_long_as_it_works_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    # Threads of other tests sleep too.
    own_time = SimpleNamespace(monotonic=time.monotonic, sleep=pauses.append)
    monkeypatch.setattr(sweeps, "time", own_time)

    def slow(rows: Sequence[str]) -> int:
        time.sleep(0.02)
        return len(rows)

    few, many = ([str(number) for number in range(pieces * sweeps.PIECE)] for pieces in (3, 20))
    assert sweeps._each("expire", few, slow, spread=True) == len(few)
    assert sum(pauses) >= 3 * 0.02
    assert sweeps._each("expire", many, slow, spread=True) == len(many)
    assert sum(pauses[3:]) == pytest.approx(sweeps.PAUSES_SECONDS)
