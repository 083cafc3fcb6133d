"""PositionHistory are written some at a time, and none is lost while Postgres is away."""

from collections.abc import Mapping
from typing import Any

import pytest
from psycopg2 import OperationalError

from models import db
from models.live.driver_index import Position
from web.positions import history
from web.positions.history import PositionHistory
from workers.drivers import locating


class Postgres:
    """What was saved, a write each; fails while it is away."""

    def __init__(self) -> None:
        self.writes: list[dict[str, int]] = []
        self.away = False

    def save(self, latest: Mapping[str, Position]) -> int:
        if self.away:
            raise db.Unavailable("statement", {}, OperationalError("Postgres is away"))
        self.writes.append({driver: position.at_ms for driver, position in latest.items()})
        return len(latest)


class Quiet(PositionHistory):
    """Without its thread."""

    def _begin(self) -> None:
        return


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> Postgres:
    made = Postgres()
    monkeypatch.setattr(locating, "save", made.save)
    monkeypatch.setattr(history, "AT_ONCE", 2)
    return made


def at(at_ms: int) -> Position:
    return Position(28.5, 77.4, at_ms)


def test_some_are_written_at_a_time_the_first_ones_first(postgres: Postgres) -> None:
    collected = Quiet()
    for number, driver in enumerate("abcde"):
        collected.record(driver, at(number))
    collected.record("a", at(9))
    assert collected.flush() == 5
    assert postgres.writes == [{"a": 9, "b": 1}, {"c": 2, "d": 3}, {"e": 4}]
    assert collected.flush() == 0


def test_who_reports_again_meanwhile_has_to_wait_for_the_next_time(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = Quiet()

    def save(latest: Mapping[str, Position]) -> int:
        for driver in latest:
            collected.record(driver, at(9))
        return postgres.save(latest)

    monkeypatch.setattr(locating, "save", save)
    for driver in "abc":
        collected.record(driver, at(1))
    # The last write has room for one more.
    assert collected.flush() == 4
    assert postgres.writes == [{"a": 1, "b": 1}, {"c": 1, "a": 9}]


def test_what_could_not_be_written_is_kept_unless_there_is_something_newer(postgres: Postgres) -> None:
    collected = Quiet()
    for driver in "abc":
        collected.record(driver, at(1))
    postgres.away = True
    assert collected.flush() == 0
    collected.record("b", at(2))
    postgres.away = False
    assert collected.flush() == 3
    assert [sorted(write.items()) for write in postgres.writes] == [[("a", 1), ("b", 2)], [("c", 1)]]


def test_there_is_a_pause_between_two_writes_and_none_at_the_end(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = Quiet()
    pauses: list[Any] = []
    monkeypatch.setattr(collected._stopping, "wait", pauses.append)
    for driver in "abcd":
        collected.record(driver, at(1))
    collected.flush(0.05)
    assert pauses == [0.05]


def test_ways_are_written_each_time_and_last_positions_every_third_time(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = Quiet()
    ways: list[int] = []
    monkeypatch.setattr(collected, "_flush_ways", lambda: ways.append(len(postgres.writes)))
    turns = iter([False] * 6 + [True])

    def wait(seconds: float) -> bool:
        assert seconds == history.FLUSH_SECONDS
        collected.record("a", at(1))
        return next(turns)

    monkeypatch.setattr(collected._stopping, "wait", wait)
    collected._run()
    assert ways == [0, 0, 0, 1, 1, 1]
    assert len(postgres.writes) == 2
