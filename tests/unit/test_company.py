"""Who comes back at once is told from who comes on his own."""

from random import Random

import pytest

from web.company import LULL_SECONDS, Company


def judged(company: Company, some: int, came: int, interval: float = 1.0) -> bool:
    """What is thought of a company after a run of a second, alone, while so many came, with ``some`` in it
    who had come within ``interval`` seconds.
    """
    now = company._begun + interval
    company.begun(some, alone=True, now=now)
    for _ in range(came):
        company.came(now)
    company.landed(some, now + 1)
    return company.comes_back


def test_whoever_comes_while_all_are_in_one_run_has_not_come_back() -> None:
    assert judged(Company(), some=8, came=4)
    assert not judged(Company(), some=8, came=5)
    assert judged(Company(), some=1, came=0)
    assert not judged(Company(), some=1, came=1)


def test_so_many_are_compared_as_come_in_the_time_of_the_run() -> None:
    # Eight in two seconds are four in one, in which the run was on.
    assert judged(Company(), some=8, came=2, interval=2.0)
    assert not judged(Company(), some=8, came=3, interval=2.0)


def test_what_does_not_happen_is_tried_ever_less() -> None:
    company, rests = Company(), []
    for _ in range(9):
        assert not judged(company, some=4, came=4)
        runs = 1
        while not judged(company, some=4, came=4):
            runs += 1
        rests.append(runs)
    assert rests == [2, 4, 8, 16, 32, 64, 128, 128, 128]
    # What is seen once does not count for more than what was seen often.
    assert judged(company, some=4, came=1)
    assert not judged(company, some=4, came=4)
    assert company._rest == 128
    company._rest = 0
    assert all(judged(company, some=4, came=1) for _ in range(9))
    assert not judged(company, some=4, came=4)
    assert company._rest == 2


@pytest.mark.parametrize("customers", [2, 16])
def test_who_comes_at_random_is_not_taken_for_company(customers: int) -> None:
    """So many come in the time of a run, and as many more before it: few runs wait for the one before."""
    company, random, runs, together = Company(), Random(1), 2000, 0

    def drawn(mean: int) -> int:
        return sum(random.random() < 0.02 for _ in range(50 * mean))

    for _ in range(runs):
        together += company.comes_back
        judged(company, max(1, drawn(2 * customers)), drawn(customers), interval=2.0)
    assert together < 0.03 * runs


def test_one_alone_proves_nothing_and_a_run_beside_another_neither() -> None:
    company = Company()
    company._misses = 5
    assert judged(company, some=1, came=0)
    company.begun(4, alone=True, now=1.0)
    company.begun(4, alone=False, now=2.0)
    company.landed(4, 0.0)
    assert (company._misses, company.comes_back) == (5, True)


def test_company_is_awaited_while_it_comes_and_no_longer() -> None:
    company = Company()
    company.landed(20, 100.0)
    assert company.is_worth(20, 100.0) == 0
    assert company.is_worth(3, 100.0) == pytest.approx(LULL_SECONDS)
    company.came(100.002)
    assert company.is_worth(4, 100.002) == pytest.approx(LULL_SECONDS)
    assert company.is_worth(4, 100.006) <= 0
    company.came(100.019)
    assert company.is_worth(5, 100.019) == pytest.approx(0.001)
    company._rest = 1
    assert company.is_worth(5, 100.0) == 0
