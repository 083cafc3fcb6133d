"""What gathers while a run is on is run together, and nobody is forgotten."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system import until
from web import combining
from web.combining import MOST, Combiner, GivenUp


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


def test_what_has_not_landed_holds_the_next_run_back_and_not_its_own_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(combining, "INTERVAL_SECONDS", 60.0)
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


def test_a_repeat_goes_before_the_others_and_who_has_given_up_is_passed_over() -> None:
    runs: list[list[int]] = []
    begun, go_on = threading.Event(), threading.Event()

    def together(items: Sequence[int]) -> list[int]:
        runs.append(list(items))
        begun.set()
        assert go_on.wait(10)
        return list(items)

    combiner = Combiner(together)
    with ThreadPoolExecutor(4) as pool:
        leader = pool.submit(combiner.run, 0)
        assert begun.wait(10)
        gone = pool.submit(combiner.run, 1, given_up=lambda: True)
        until(lambda: len(combiner._waiting) == 1)
        stays = pool.submit(combiner.run, 2)
        until(lambda: len(combiner._waiting) == 2)
        repeat = pool.submit(combiner.run, 3, first=True)
        until(lambda: len(combiner._waiting) == 3)
        go_on.set()
        assert [one.result(10) for one in (leader, stays, repeat)] == [0, 2, 3]
        with pytest.raises(GivenUp):
            gone.result(10)
    assert runs == [[0], [3, 2]]


def test_where_all_have_given_up_the_next_one_is_served() -> None:
    combiner = Combiner[int, int](lambda items: list(items))
    with pytest.raises(GivenUp):
        combiner.run(1, given_up=lambda: True)
    assert combiner.run(2) == 2


class Runs:
    """A combiner of numbers whose runs land when they are told to; ``sizes`` of those that have begun."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.sizes: list[int] = []
        self.landings: list[threading.Event] = []
        self.combiner = Combiner(self._together, self._landed)
        self._pool = pool

    def come(self, *numbers: int) -> None:
        """They come, each in a thread of its own; returns when they wait or are in a run."""
        before = self._here
        for number in numbers:
            self._pool.submit(self.combiner.run, number)
        until(lambda: self._here == before + len(numbers))

    def until_begun(self, *sizes: int) -> None:
        until(lambda: self.sizes == list(sizes), what=f"{self.sizes} have begun, and not {sizes}")
        until(lambda: len(self.landings) == len(sizes))

    @property
    def _here(self) -> int:
        return sum(self.sizes) + len(self.combiner._waiting)

    def _together(self, items: Sequence[int]) -> list[int]:
        self.sizes.append(len(items))
        return list(items)

    def _landed(self, results: Sequence[int]) -> None:
        self.landings.append(landing := threading.Event())
        assert landing.wait(10)


@pytest.fixture
def runs() -> Iterator[Runs]:
    with ThreadPoolExecutor(100) as pool:
        made = Runs(pool)
        yield made
        for landing in made.landings:
            landing.set()


def test_while_one_batch_is_in_flight_the_next_one_starts_after_the_interval(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combining, "INTERVAL_SECONDS", 0.3)
    started = time.monotonic()
    runs.come(0)
    runs.until_begun(1)
    runs.come(1, 2)
    runs.until_begun(1, 2)
    assert 0.3 <= time.monotonic() - started < 0.9


def test_a_full_run_waits_for_nothing_while_one_is_out_and_nobody_while_two_are(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combining, "INTERVAL_SECONDS", 60.0)
    runs.come(0)
    runs.until_begun(1)
    runs.come(*range(1, MOST + 1))
    runs.until_begun(1, MOST)
    runs.come(*range(MOST + 1, 2 * MOST + 1))
    time.sleep(0.2)
    runs.until_begun(1, MOST)
    runs.landings[1].set()
    runs.until_begun(1, MOST, MOST)


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
