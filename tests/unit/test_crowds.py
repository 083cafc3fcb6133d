"""Hundreds who come for one order at once let others in between."""

import gevent  # type: ignore[import-untyped]
import pytest

from server.fairness import TargetTurns

ORDER = "/api/v1/orders/01a22820-9da6-74af-9160-6e2aebc0df6a"
ANOTHER = "/api/v1/orders/01a22820-9da6-74af-9160-6e2aebc0df6b"


def begun(*paths: str) -> list[str]:
    """Requests for these paths come in one turn of the loop: in which order they are begun."""
    turns, order = TargetTurns(), []

    def come(path: str) -> None:
        turns.wait(path)
        order.append(path)

    gevent.joinall([gevent.spawn(come, path) for path in paths], timeout=5, raise_error=True)
    gevent.sleep(0.01)
    assert not turns._queues
    return order


@pytest.mark.parametrize("other", ["/api/v1/orders", f"{ANOTHER}/accept", "/health"])
def test_a_request_for_another_target_does_not_wait_for_a_whole_crowd(other: str) -> None:
    order = begun(*[f"{ORDER}/accept"] * 100, other)
    assert len(order) == 101
    assert order.index(other) <= 1


def test_a_crowd_is_about_the_same_thing_whatever_it_wants_of_it() -> None:
    order = begun(*[f"{ORDER}/accept", ORDER, f"{ORDER}/decline"] * 10, ANOTHER)
    assert order.index(ANOTHER) <= 1


def test_those_who_come_for_nothing_in_particular_are_begun_at_once() -> None:
    paths = [f"/api/v1/drivers/{number}" for number in range(50)]
    assert begun(*paths) == paths
