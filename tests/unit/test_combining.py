"""What gathers while a run is on is run together, and nobody is forgotten."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system import until
from web.combining import MOST, Combiner


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
