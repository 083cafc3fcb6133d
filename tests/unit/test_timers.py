"""Each session is ticked when it is due, and costs nothing before."""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

from web.identity.tokens import Caller
from web.socket.session import LOOK_SECONDS, Session
from web.socket.timers import TICK_SECONDS, Timers


class Due:
    """As much of a session as the timers know; ``again`` is in how many seconds it is due after a tick."""

    person = "driver:one"

    def __init__(self, seconds: float, again: float = math.inf, fails: bool = False) -> None:
        self.due_at, self.scheduled_for = time.monotonic() + seconds, math.inf
        self.schedule: Callable[[Any], None] | None = None
        self.ticks: list[float] = []
        self._again, self._fails = again, fails

    def tick(self, now: float) -> bool:
        self.ticks.append(now)
        self.be_due(self._again)
        if self._fails:
            raise RuntimeError("no")
        return False

    def be_due(self, seconds: float) -> None:
        self.due_at = time.monotonic() + seconds
        if self.schedule:
            self.schedule(self)


def ticked(*sessions: Any, seconds: float = 0.6, meanwhile: Callable[[Timers], None] | None = None) -> Timers:
    timers = Timers()
    for session in sessions:
        timers.add(session)
    if meanwhile:
        meanwhile(timers)
    time.sleep(seconds)
    timers.stop()
    return timers


def test_a_session_is_ticked_when_it_is_due_and_not_before() -> None:
    soon, later = Due(0.2), Due(60)
    due_at = soon.due_at
    ticked(soon, later)
    (tick,) = soon.ticks
    assert 0 <= tick - due_at < TICK_SECONDS + 0.2
    assert later.ticks == []


def test_a_session_that_is_due_again_is_ticked_again() -> None:
    often = Due(0.0, again=0.1)
    ticked(often, seconds=1.0)
    assert len(often.ticks) >= 3


def test_what_becomes_due_earlier_is_done_earlier_and_what_is_put_off_later() -> None:
    sooner, put_off = Due(60), Due(0.2)

    def change(_: Timers) -> None:
        sooner.be_due(0)
        put_off.be_due(60)

    ticked(sooner, put_off, meanwhile=change)
    assert len(sooner.ticks) == 1
    assert put_off.ticks == []


def test_a_session_that_fails_is_ticked_again_and_so_are_the_others() -> None:
    bad, good = Due(0.0, again=0.1, fails=True), Due(0.0, again=0.1)
    ticked(bad, good, seconds=1.0)
    assert len(bad.ticks) >= 3
    assert len(good.ticks) >= 3


def test_a_session_whose_due_time_moves_often_is_ticked_once_for_each() -> None:
    timers, session = Timers(), Due(0)
    some: Any = session
    some.schedule, late = timers._schedule, time.monotonic() + 60
    for number in range(1, 6):
        some.due_at = late
        timers._schedule(some)
        some.due_at = float(number)
        timers._schedule(some)
        some._again = math.inf
        timers._tick(float(number))
        assert len(session.ticks) == number
    some.due_at = late
    timers._schedule(some)
    timers._tick(late)
    assert len(session.ticks) == 6


def test_a_session_that_has_ended_is_not_ticked() -> None:
    left = Due(0.2)
    timers = ticked(left, meanwhile=lambda timers: timers.discard(left))  # type: ignore[arg-type]
    assert left.ticks == []
    assert timers.sessions() == []


def test_sessions_that_began_together_are_not_due_together() -> None:
    caller = Caller("dev", "driver", datetime.now(UTC) + timedelta(hours=1))
    before = time.monotonic()
    dues = [Session(Mock(), caller, None).due_at - before for _ in range(200)]
    assert min(dues) >= LOOK_SECONDS / 2
    assert max(dues) <= LOOK_SECONDS + 1
    assert max(dues) - min(dues) > LOOK_SECONDS / 4
