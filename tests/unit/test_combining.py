"""What gathers while a run is on is run together, and nobody is forgotten."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system import until
from web import combining
from web.combining import MOST, Combiner


def assert_(happened: bool) -> None:
    assert happened


def test_one_alone_is_run_at_once() -> None:
    assert Combiner[int, int](lambda items: [item * 2 for item in items]).run(4) == 8


def test_who_comes_during_a_run_is_run_together_by_the_next() -> None:
    runs: list[list[int]] = []
    begun, go_on = threading.Event(), threading.Event()

    def together(items: Sequence[int]) -> list[int]:
        runs.append(list(items))
        begun.set()
        assert go_on.wait(10)
        return [item * 2 for item in items]

    combiner = Combiner(together)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(combiner.run, 0)
        assert begun.wait(10)
        others = [pool.submit(combiner.run, number) for number in range(1, 9)]
        until(lambda: len(combiner._waiting) == 8)
        go_on.set()
        assert first.result(10) == 0
        assert [other.result(10) for other in others] == [2 * number for number in range(1, 9)]
    assert [len(run) for run in runs] == [1, 8]


def test_an_error_is_everybodys_in_that_run_and_nobodys_after_it() -> None:
    def together(items: Sequence[int]) -> list[int]:
        if 0 in items:
            raise ValueError("zero")
        return list(items)

    combiner = Combiner(together)
    with pytest.raises(ValueError, match="zero"):
        combiner.run(0)
    assert combiner.run(1) == 1


def test_a_run_takes_a_limited_number_and_all_get_their_turn() -> None:
    sizes: list[int] = []

    def together(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return list(items)

    combiner = Combiner(together)
    with ThreadPoolExecutor(100) as pool:
        assert list(pool.map(combiner.run, range(1000))) == list(range(1000))
    assert sum(sizes) == 1000
    assert max(sizes) <= MOST


def test_what_has_not_landed_holds_the_next_run_back_and_not_its_own_results() -> None:
    runs: list[list[int]] = []
    landed = threading.Event()

    def together(items: Sequence[int]) -> list[int]:
        runs.append(list(items))
        return list(items)

    combiner = Combiner(together, lambda results: assert_(landed.wait(10)))
    with ThreadPoolExecutor(4) as pool:
        leader = pool.submit(combiner.run, 0)
        until(lambda: runs == [[0]])
        others = [pool.submit(combiner.run, number) for number in (1, 2)]
        until(lambda: len(combiner._waiting) == 2)
        assert runs == [[0]]
        landed.set()
        assert leader.result(10) == 0
        assert [other.result(10) for other in others] == [1, 2]
    assert [len(run) for run in runs] == [1, 2]


def test_after_company_as_many_are_awaited_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combining, "GATHER_SECONDS_EACH", 0.5)
    monkeypatch.setattr(combining, "GATHER_SECONDS", 1.0)
    monkeypatch.setattr(combining, "LULL_SECONDS", 1.0)
    sizes: list[int] = []
    landing = threading.Event()

    def together(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return list(items)

    combiner = Combiner(together, lambda results: assert_(landing.wait(10)))
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(combiner.run, 0)
        until(lambda: sizes == [1])
        second = pool.submit(combiner.run, 1)
        until(lambda: len(combiner._waiting) == 1)
        landing.set()
        first.result(10)
        third = pool.submit(combiner.run, 2)
        second.result(10)
        third.result(10)
        assert sizes == [1, 2]
        # Nobody else comes: the next one goes on alone when the moment is over.
        before = time.monotonic()
        assert combiner.run(3) == 3
        assert 0.5 < time.monotonic() - before < 5
        before = time.monotonic()
        assert combiner.run(4) == 4
        assert time.monotonic() - before < 0.4
    assert sizes == [1, 2, 1, 1]


def test_a_run_that_is_broken_off_is_an_error_for_all_and_the_next_one_runs() -> None:
    class BrokenOff(BaseException):
        pass

    def together(items: Sequence[int]) -> list[int]:
        if 0 in items:
            raise BrokenOff
        return list(items)

    combiner = Combiner(together)
    with pytest.raises(BrokenOff):
        combiner.run(0)
    assert combiner.run(1) == 1


def test_who_never_comes_is_awaited_ever_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combining, "GATHER_SECONDS_EACH", 0.001)
    combiner = Combiner[int, int](list)
    awaited = []
    for _ in range(40):
        combiner._expect_company(2)
        awaited.append(combiner._gather_until > 0)
        combiner._gather()
    # Four times in a row, then after 2, 4 and 8 runs.
    resting = [1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, *[0] * 8, 1, *[0] * 16, 1]
    assert [int(one) for one in awaited[: len(resting)]] == resting


def test_who_comes_when_awaited_is_awaited_again_and_who_was_there_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(combining, "GATHER_SECONDS_EACH", 5.0)
    monkeypatch.setattr(combining, "GATHER_SECONDS", 10.0)
    monkeypatch.setattr(combining, "LULL_SECONDS", 5.0)
    combiner = Combiner[int, int](list)
    combiner._vain = combining.PATIENCE
    combiner._waiting = [combining._Entry(1), combining._Entry(2)]
    combiner._expect_company(2)
    combiner._gather()
    assert combiner._vain == combining.PATIENCE
    combiner._running = True  # so that who comes waits
    combiner._expect_company(3)
    with ThreadPoolExecutor(2) as pool:
        gathering = pool.submit(combiner._gather)
        time.sleep(0.1)
        pool.submit(combiner.run, 3)
        gathering.result(10)
        assert (combiner._vain, combiner._resting) == (0, 0)
        combiner._hand_over()
        combiner._run_some()


def test_company_is_awaited_while_it_comes_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combining, "GATHER_SECONDS_EACH", 5.0)
    monkeypatch.setattr(combining, "GATHER_SECONDS", 10.0)
    monkeypatch.setattr(combining, "LULL_SECONDS", 0.5)
    combiner = Combiner[int, int](list)
    combiner._expect_company(MOST)
    combiner._running = True  # so that those who come wait
    begun = time.monotonic()
    with ThreadPoolExecutor(5) as pool:
        gathering = pool.submit(combiner._gather)
        for number in range(4):
            time.sleep(0.3)
            pool.submit(combiner.run, number)
        gathering.result(10)
        # Four times less than a lull, and then one.
        assert 1.7 <= time.monotonic() - begun < 3
        assert combiner._vain == 1
        assert [entry.item for entry in combiner._waiting] == [0, 1, 2, 3]
        combiner._hand_over()
