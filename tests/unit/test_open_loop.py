"""The pure parts of the measure: when requests are due, what is served well, the search, the comparison."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from tools.bench.against import CAPACITY, Side, in_turn, near
from tools.bench.arrivals import independent
from tools.bench.comparison import Limit, compared, table
from tools.bench.open_loop import FIRST_RATE, Step
from tools.bench.search import highest


def test_independent_arrivals_have_the_rate_and_the_spread_of_a_poisson_process() -> None:
    moments = list(independent(Random(1), 100.0, 50.0, 400.0))
    assert len(moments) == pytest.approx(20_000, rel=0.03)
    assert moments == sorted(moments)
    assert 100 < moments[0] < moments[-1] < 500
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    # Exponential gaps: as wide as they are long.
    assert variance**0.5 == pytest.approx(mean, rel=0.05)


def test_the_same_seed_gives_the_same_arrivals() -> None:
    once, again, other = (list(independent(Random(seed), 0.0, 100.0, 5.0)) for seed in (1, 1, 2))
    assert once == again != other


def a_step(**changes: object) -> Step:
    served = Step(
        rate=100.0,
        due=100,
        statuses=Counter({201: 100}),
        answers=[0.010] * 99 + [0.100],
        first_offers=[0.020] * 99 + [0.150],
        used={"web": 0.2, "client": 9.0},
        others=0.0,
        sockets_closed=0,
    )
    return replace(served, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"answers": [0.010] * 98 + [0.101] * 2},
        {"first_offers": [0.020] * 98 + [0.151] * 2},
        {"first_offers": [0.020] * 98 + [float("inf")] * 2},
        {"statuses": Counter({201: 99, 503: 1})},
        {"statuses": Counter({201: 99})},
    ],
    ids=["late answers", "late offers", "no offers", "a refusal", "no answer"],
)
def test_a_rate_is_served_well_only_within_both_limits_and_without_a_refusal(
    changes: dict[str, object],
) -> None:
    assert a_step().served_well
    assert not a_step(**changes).served_well


def test_the_cost_of_an_order_is_that_of_all_servers_without_the_client() -> None:
    values = a_step().round().values
    assert values["CPU servers"] == (2.0, "ms/order")


def served_up_to(limit: float, tried: list[float]) -> Callable[[float], bool]:
    def passes(rate: float) -> bool:
        tried.append(rate)
        return rate <= limit

    return passes


@pytest.mark.parametrize("limit", [30.0, 127.0, 399.0, 400.0, 401.0, 640.0, 2_000.0])
def test_the_search_finds_the_highest_rate_within_a_step_of_the_limit(limit: float) -> None:
    tried: list[float] = []
    found = highest(served_up_to(limit, tried), 400.0, 1.05)
    assert found <= limit < found * 1.05
    assert len(tried) == len(set(tried)) <= 18


def test_the_search_that_begins_near_the_limit_tries_four_rates() -> None:
    tried: list[float] = []
    assert highest(served_up_to(430.0, tried), 400.0, 1.05) == pytest.approx(420.0)
    assert len(tried) == 4


def test_a_system_that_serves_nothing_has_no_capacity() -> None:
    assert highest(lambda _: False, 400.0, 1.05) == 0.0


def test_the_ratio_is_that_of_the_medians_with_the_range_of_the_rounds() -> None:
    reference = {"p50": [1.0, 1.0, 1.0], "cost": [2.0, 4.0, 3.0]}
    ours = {"p50": [2.0, 1.0, 1.0], "cost": [3.0, 4.0, 3.3]}
    [line, other] = compared(reference, ours, {"cost": Limit(1.05)})
    # What has a limit comes first.
    assert (line.name, other.name) == ("cost", "p50")
    assert line.ratio == pytest.approx(1.1)
    assert (line.low, line.high) == pytest.approx((1.0, 1.5))
    assert not line.holds
    assert "1.10 (1.00 to 1.50)  <= 1.05: DOES NOT HOLD" in table([line, other])


def test_limits_hold_from_above_and_from_below() -> None:
    assert Limit(1.15).holds(1.15)
    assert not Limit(1.15).holds(1.16)
    assert Limit(0.9, at_least=True).holds(0.9)
    assert not Limit(0.9, at_least=True).holds(0.89)


def test_neither_version_always_comes_first() -> None:
    order = ["".join(in_turn("A", "B", number)) for number in range(1, 5)]  # type: ignore[arg-type]
    assert order == ["AB", "BA", "AB", "BA"]


def test_the_search_for_a_capacity_begins_at_what_the_version_or_else_the_other_had_last() -> None:
    reference, ours = (Side(name, checkout=None) for name in ("reference", "ours"))  # type: ignore[arg-type]
    assert near(reference, ours) == FIRST_RATE
    reference.add(CAPACITY, 300.0)
    assert near(ours, reference) == 300.0
    ours.add(CAPACITY, 0.0)
    assert near(ours, reference) == 300.0
    ours.add(CAPACITY, 290.0)
    reference.add(CAPACITY, 310.0)
    assert (near(ours, reference), near(reference, ours)) == (290.0, 310.0)
