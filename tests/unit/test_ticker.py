"""Each socket has its turn when it is due, and costs nothing before."""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

from web.auth import Caller
from web.session import LOOK_SECONDS, Session
from web.ticker import TICK_SECONDS, Ticker


class Due:
    """As much of a session as the ticker knows; ``again`` is in how many seconds it is due after a turn."""

    person = "driver:one"

    def __init__(self, seconds: float, again: float = math.inf, fails: bool = False) -> None:
        self.due_at, self.turn = time.monotonic() + seconds, 0
        self.plan: Callable[[Any], None] | None = None
        self.turns: list[float] = []
        self._again, self._fails = again, fails

    def tick(self, now: float) -> bool:
        self.turns.append(now)
        self.be_due(self._again)
        if self._fails:
            raise RuntimeError("no")
        return False

    def be_due(self, seconds: float) -> None:
        self.due_at = time.monotonic() + seconds
        if self.plan:
            self.plan(self)


def ticked(*sessions: Any, seconds: float = 0.6, meanwhile: Callable[[Ticker], None] | None = None) -> Ticker:
    ticker = Ticker()
    for session in sessions:
        ticker.add(session)
    if meanwhile:
        meanwhile(ticker)
    time.sleep(seconds)
    ticker.stop()
    return ticker


def test_who_is_due_has_a_turn_and_nobody_before() -> None:
    soon, later = Due(0.2), Due(60)
    due_at = soon.due_at
    ticked(soon, later)
    (turn,) = soon.turns
    assert 0 <= turn - due_at < TICK_SECONDS + 0.2
    assert later.turns == []


def test_nobody_waits_for_longer_than_a_tick() -> None:
    ticker = Ticker()
    for late in (0.0, 0.3, 0.99):
        one: Any = Due(0)
        one.due_at = (100 + late) * TICK_SECONDS
        ticker._plan(one)
        assert not ticker._due(99.5 * TICK_SECONDS)
        # In the same turn, whenever the tick comes, and not only in the next one.
        assert ticker._due(one.due_at) == [one]


def test_who_is_looked_at_too_early_has_a_turn_at_the_next_tick() -> None:
    ticker = Ticker()
    one: Any = Due(0)
    one.plan, one.due_at = ticker._plan, 100.9 * TICK_SECONDS
    ticker._plan(one)
    ticker._tick(100.1 * TICK_SECONDS)
    assert one.turns == []
    ticker._tick(101.0 * TICK_SECONDS)
    assert len(one.turns) == 1


def test_who_is_due_again_has_another_turn() -> None:
    often = Due(0.0, again=0.1)
    ticked(often, seconds=1.0)
    assert len(often.turns) >= 3


def test_what_becomes_due_earlier_is_done_earlier_and_what_is_put_off_later() -> None:
    sooner, put_off = Due(60), Due(0.2)

    def change(_: Ticker) -> None:
        sooner.be_due(0)
        put_off.be_due(60)

    ticked(sooner, put_off, meanwhile=change)
    assert len(sooner.turns) == 1
    assert put_off.turns == []


def test_one_that_fails_has_its_next_turn_and_so_have_the_others() -> None:
    bad, good = Due(0.0, again=0.1, fails=True), Due(0.0, again=0.1)
    ticked(bad, good, seconds=1.0)
    assert len(bad.turns) >= 3
    assert len(good.turns) >= 3


def test_who_has_left_has_no_turn() -> None:
    left = Due(0.2)
    ticker = ticked(left, meanwhile=lambda ticker: ticker.discard(left))  # type: ignore[arg-type]
    assert left.turns == []
    assert ticker.sessions() == []


def test_those_who_came_together_are_not_due_together() -> None:
    caller = Caller("dev", "driver", datetime.now(UTC) + timedelta(hours=1))
    before = time.monotonic()
    dues = [Session(Mock(), caller, None).due_at - before for _ in range(200)]
    assert min(dues) >= LOOK_SECONDS / 2
    assert max(dues) <= LOOK_SECONDS + 1
    assert max(dues) - min(dues) > LOOK_SECONDS / 4
