"""What is submitted while a batch is executed goes into the next one, and nobody is forgotten."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.system import until
from web.admission import batching
from web.admission.batching import MAX_BATCH, Abandoned, Batcher, BatchItem, never


@dataclass(eq=False)
class Number(BatchItem):
    """An item whose result is its double."""

    value: int
    double: int = 0


class Batches:
    """A batcher of numbers whose batches are finished when the test says so; ``started`` has their values.

    ``before`` is called when a batch starts.
    """

    def __init__(self, pool: ThreadPoolExecutor, before: Callable[[Sequence[Number]], None]) -> None:
        self.started: list[list[int]] = []
        self.in_flight: list[threading.Event] = []
        self.batcher = Batcher(self._execute, self._on_finished)
        self._pool, self._before = pool, before

    def submit(
        self, *values: int, urgent: bool = False, is_abandoned: Callable[[], bool] = never
    ) -> list[Number]:
        """Submits each in a thread of its own; returns when they wait or are in a batch."""
        numbers = [Number(value, urgent=urgent, is_abandoned=is_abandoned) for value in values]
        before = self._submitted
        for number in numbers:
            self._pool.submit(self.batcher.submit, number)
        until(lambda: self._submitted == before + len(numbers))
        return numbers

    def until_started(self, *sizes: int) -> None:
        until(
            lambda: [len(batch) for batch in self.started] == list(sizes), what=f"{self.started}: not {sizes}"
        )
        until(lambda: len(self.in_flight) == len(sizes))

    @property
    def _submitted(self) -> int:
        return sum(map(len, self.started)) + len(self.batcher._waiting)

    def _execute(self, numbers: Sequence[Number]) -> None:
        self.started.append([number.value for number in numbers])
        self._before(numbers)
        for number in numbers:
            number.double = 2 * number.value

    def _on_finished(self, numbers: Sequence[Number]) -> None:
        self.in_flight.append(finished := threading.Event())
        assert finished.wait(10)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(100) as made:
        yield made


@pytest.fixture
def batches(pool: ThreadPoolExecutor) -> Iterator[Batches]:
    made = Batches(pool, lambda _: None)
    yield made
    for finished in made.in_flight:
        finished.set()


def simple(execute: Callable[[Sequence[Number]], None]) -> Batcher[Number]:
    """A batcher whose batches are in flight only while they are executed."""
    return Batcher(execute, lambda _: None)


@pytest.fixture
def far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "INTERVAL_SECONDS", 60.0)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(batching, "INTERVAL_SECONDS", 0.5)
    return 0.5


def test_one_alone_is_executed_at_once(batches: Batches) -> None:
    number = Number(4)
    batches.batcher.submit(number)
    assert number.double == 8


@pytest.mark.usefixtures("apart")
def test_what_comes_while_a_batch_is_executed_goes_into_the_next_one(pool: ThreadPoolExecutor) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(numbers: Sequence[Number]) -> None:
        begun.set()
        assert go_on.wait(10)

    batches = Batches(pool, wait)
    first = batches.submit(0)
    assert begun.wait(10)
    others = batches.submit(*range(1, 9))
    go_on.set()
    batches.until_started(1, 8)
    assert all(number.executed.wait(10) for number in first + others)
    assert [number.double for number in others] == [2 * number.value for number in others]


def test_an_error_is_that_of_the_whole_batch_and_not_of_the_next_one() -> None:
    def execute(numbers: Sequence[Number]) -> None:
        if any(number.value == 0 for number in numbers):
            raise ValueError("zero")

    batcher = simple(execute)
    with pytest.raises(ValueError, match="zero"):
        batcher.submit(Number(0))
    batcher.submit(Number(1))


def test_even_what_ends_threads_is_an_error_for_the_batch_and_the_next_one_is_executed() -> None:
    class Ended(BaseException):
        pass

    def execute(numbers: Sequence[Number]) -> None:
        if any(number.value == 0 for number in numbers):
            raise Ended

    batcher = simple(execute)
    for _ in range(batching.MAX_IN_FLIGHT + 1):
        with pytest.raises(Ended):
            batcher.submit(Number(0))
    batcher.submit(Number(1))


def test_a_batch_whose_end_fails_does_not_stay_in_flight() -> None:
    def fail(numbers: Sequence[Number]) -> None:
        raise ValueError("the end")

    batcher = Batcher[Number](lambda _: None, fail)
    for value in range(batching.MAX_IN_FLIGHT + 1):
        batcher.submit(Number(value))


def test_a_batch_is_limited_and_everybody_is_in_one(pool: ThreadPoolExecutor) -> None:
    sizes: list[int] = []

    def execute(numbers: Sequence[Number]) -> None:
        sizes.append(len(numbers))
        for number in numbers:
            number.double = 2 * number.value

    batcher, numbers = simple(execute), [Number(value) for value in range(1000)]
    list(pool.map(batcher.submit, numbers))
    assert [number.double for number in numbers] == [2 * value for value in range(1000)]
    assert sum(sizes) == 1000
    assert max(sizes) <= MAX_BATCH


@pytest.mark.parametrize("in_flight", [True, False])
def test_the_next_batch_starts_an_interval_after_the_one_before(
    batches: Batches, apart: float, in_flight: bool
) -> None:
    begun = time.monotonic()
    (first,) = batches.submit(0)
    batches.until_started(1)
    assert first.executed.wait(10)
    assert time.monotonic() - begun < apart
    if not in_flight:
        batches.in_flight[0].set()
    batches.submit(1, 2)
    batches.until_started(1, 2)
    assert time.monotonic() - begun >= apart


@pytest.mark.usefixtures("far_apart")
def test_a_full_batch_waits_for_no_interval_and_none_starts_while_two_are_in_flight(
    batches: Batches,
) -> None:
    batches.submit(0)
    batches.until_started(1)
    batches.submit(*range(1, MAX_BATCH + 1))
    batches.until_started(1, MAX_BATCH)
    batches.submit(*range(MAX_BATCH + 1, 2 * MAX_BATCH + 1))
    time.sleep(0.2)
    batches.until_started(1, MAX_BATCH)
    batches.in_flight[1].set()
    batches.until_started(1, MAX_BATCH, MAX_BATCH)


@pytest.mark.usefixtures("apart")
def test_an_urgent_one_goes_before_the_others_and_an_abandoned_one_is_left_out(batches: Batches) -> None:
    batches.submit(0)
    batches.until_started(1)
    (abandoned,) = batches.submit(1, is_abandoned=lambda: True)
    batches.submit(2)
    batches.submit(3, urgent=True)
    batches.until_started(1, 2)
    assert batches.started == [[0], [3, 2]]
    assert abandoned.executed.wait(10)
    assert isinstance(abandoned.error, Abandoned)


def test_where_all_are_abandoned_nothing_is_executed_and_the_next_one_is() -> None:
    executed: list[int] = []
    batcher = simple(lambda numbers: executed.extend(number.value for number in numbers))
    with pytest.raises(Abandoned):
        batcher.submit(Number(1, is_abandoned=lambda: True))
    batcher.submit(Number(2))
    assert executed == [2]
