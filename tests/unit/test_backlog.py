"""New orders are refused when more wait than can be answered in time, and only then."""

import pytest

from web.limits import backlog as module
from web.limits.backlog import ALWAYS, LOST_SECONDS, MEMORY_SECONDS, SILENT_SECONDS, Backlog


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def commit(backlog: Backlog, count: int, first: int = 0) -> list[str]:
    orders = [str(number) for number in range(first, first + count)]
    for order_id in orders:
        backlog.committed(order_id, ("asha", order_id))
    return orders


def test_an_idle_system_takes_a_burst(clock: Clock) -> None:
    backlog = Backlog()
    commit(backlog, ALWAYS - 1)
    assert not backlog.is_full()
    commit(backlog, 1, first=ALWAYS)
    assert backlog.is_full()


def test_as_many_may_wait_as_were_answered_in_the_best_second_lately(clock: Clock) -> None:
    backlog = Backlog()
    backlog.decided(commit(backlog, 300))
    clock.now += MEMORY_SECONDS - 1
    waiting = commit(backlog, 299)
    assert not backlog.is_full()
    commit(backlog, 1, first=299)
    assert backlog.is_full()
    backlog.decided(waiting[:1])
    assert not backlog.is_full()


def test_a_system_that_got_slower_lets_fewer_wait_after_a_while(clock: Clock) -> None:
    backlog = Backlog()
    backlog.decided(commit(backlog, 300))
    clock.now += MEMORY_SECONDS + 1
    backlog.decided(commit(backlog, 1))
    commit(backlog, ALWAYS)
    assert backlog.is_full()


def test_orders_that_are_not_committed_yet_wait_too(clock: Clock) -> None:
    backlog = Backlog()
    commit(backlog, ALWAYS - 1)
    with backlog.entered(("asha", "key")):
        assert backlog.is_full()
    assert not backlog.is_full()


def test_while_no_worker_answers_orders_are_accepted_and_wait_for_one(clock: Clock) -> None:
    backlog = Backlog()
    waiting = commit(backlog, ALWAYS)
    assert backlog.is_full()
    clock.now += SILENT_SECONDS
    assert not backlog.is_full()
    backlog.decided(waiting[:1])
    commit(backlog, 1, first=ALWAYS)
    assert backlog.is_full()


def test_an_outcome_that_is_lost_does_not_count_for_ever(clock: Clock) -> None:
    backlog = Backlog()
    commit(backlog, ALWAYS)
    clock.now += LOST_SECONDS
    backlog.decided(["another process's"])
    assert not backlog.is_full()
    assert not backlog.knows(("asha", "0"))


def test_a_repeat_is_known_until_its_order_is_decided(clock: Clock) -> None:
    backlog = Backlog()
    with backlog.entered(("asha", "key")):
        assert backlog.knows(("asha", "key"))
        assert not backlog.knows(("bina", "key"))
        backlog.committed("1", ("asha", "key"))
    assert backlog.knows(("asha", "key"))
    backlog.decided(["1"])
    assert not backlog.knows(("asha", "key"))
    with backlog.entered(("asha", None)):
        assert not backlog.knows(("asha", None))
