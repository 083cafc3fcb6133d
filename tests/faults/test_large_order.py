"""A large order near many drivers is served as quickly as a small one, and stops nobody else's."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import ROOT, process_settings
from tests.faults.bystanders import bystanders
from tests.faults.fleet import Fleet
from tests.faults.large_order import Crowd, at_once, longest_script, outcomes, watch_scripts
from tests.faults.scene import token
from tools.bench.http import request
from tools.bench.loop import Loop

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

TRUCKS, DRIVERS, ACCEPTS = 100, 1000, 300
LARGE_ORDERS = 8
LONGEST_SCRIPT_MS = 10
BYSTANDERS_A_SECOND = 25
BYSTANDERS_P99_SECONDS = 0.25
# The bystanders go on for so long around the accepts.
BEFORE_SECONDS, AFTER_SECONDS = 1.0, 3.0
# Everybody concerned has heard by then, on a busy machine too.
TOLD_SECONDS = 10.0
# The coalesced counts go out at most once in this time, and at its end.
COALESCED_SECONDS = 0.5


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The system as the Procfile starts it, one of each process; this process works on its stores."""
    started = Fleet(ROOT, tmp_path_factory.mktemp("city"), WEB_CONCURRENCY="2")
    try:
        started.start(("web1", "orders1", "sweeps1", "beat1"))
        with process_settings(**started.stores):
            yield started
    finally:
        started.stop()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def wait(loop: Loop, seconds: float) -> None:
    loop.run(time.monotonic() + seconds)


def told(crowd: Crowd, kind: str, drivers: int) -> None:
    """Waits until so many drivers have heard a frame of this type."""
    crowd.loop.run(time.monotonic() + TOLD_SECONDS, lambda: len(crowd.frames.of(kind)) >= drivers)
    assert len(crowd.frames.of(kind)) == drivers


@dataclass
class Times:
    """What others feel meanwhile."""

    longest_script_ms: float
    bystanders_p99: float

    @property
    def good(self) -> bool:
        return self.longest_script_ms <= LONGEST_SCRIPT_MS and self.bystanders_p99 <= BYSTANDERS_P99_SECONDS


def undisturbed(scene: Callable[[int], Times]) -> None:
    """Runs a scene until its times are good: whatever else the machine does spoils one, hardly three.

    What has to hold at every time the scene asserts itself.
    """
    found = []
    for number in range(3):
        found.append(scene(number))
        if found[-1].good:
            return
    raise AssertionError(f"in none of three: {found}")


def test_of_three_hundred_accepts_at_once_a_hundred_win_and_nobody_else_waits(
    city: Fleet, loop: Loop
) -> None:
    def scene(number: int) -> Times:
        crowd = Crowd(city, loop, f"LARGE_{number}", DRIVERS)
        scripts = watch_scripts(city)
        with bystanders(city.port("web1"), BYSTANDERS_A_SECOND) as others:
            wait(loop, BEFORE_SECONDS)
            crowd.order(TRUCKS)
            wait(loop, BEFORE_SECONDS)
            requests = crowd.accepting(crowd.subs[:ACCEPTS])
            begun = time.monotonic()
            answers = at_once(loop, city.port("web1"), requests)
            lasted = time.monotonic() - begun
            told(crowd, "request_no_longer_available", DRIVERS - TRUCKS)
            told(crowd, "trip_assigned", TRUCKS)
            wait(loop, AFTER_SECONDS)
        times = Times(longest_script(scripts), others.p99)
        print(f"\n{dict(outcomes(answers))} in {lasted:.2f} s, {times}, {dict(Counter(others.statuses))}")
        assert outcomes(answers) == {"200": TRUCKS, "409 TRUCK_TAKEN": ACCEPTS - TRUCKS}
        assert set(others.statuses) == {201}
        updates = crowd.frames.of("trucks_remaining_update")
        assert max(updates.values(), default=0) <= lasted / COALESCED_SECONDS + 1
        crowd.leave()
        return times

    undisturbed(scene)


def test_a_thousand_open_offers_end_at_once_and_nobody_else_waits(city: Fleet, loop: Loop) -> None:
    def scene(number: int) -> Times:
        crowd = Crowd(city, loop, f"ENDED_{number}", DRIVERS)
        scripts = watch_scripts(city)
        port = city.port("web1")
        with bystanders(port, BYSTANDERS_A_SECOND) as others:
            wait(loop, BEFORE_SECONDS)
            crowd.order(TRUCKS)
            path = f"/api/v1/orders/{crowd.order_id}/cancel"
            cancel = request(path, token("customer", crowd.customer), b'{"reason": "too many"}')
            assert [answer.status for answer in at_once(loop, port, [cancel])] == [200]
            told(crowd, "order_cancelled", DRIVERS)
            crowd.order(TRUCKS, again=True)
            path = f"/api/v1/ops/orders/{crowd.order_id}/expire"
            assert [
                answer.status for answer in at_once(loop, port, [request(path, token("ops", "olga"), b"{}")])
            ] == [200]
            told(crowd, "order_expired", DRIVERS)
            wait(loop, AFTER_SECONDS)
        times = Times(longest_script(scripts), others.p99)
        print(f"\n{times}, {dict(Counter(others.statuses))}")
        assert set(others.statuses) == {201}
        crowd.leave()
        return times

    undisturbed(scene)


@pytest.mark.by_hand
def test_eight_large_orders_at_once_leave_others_their_orders(city: Fleet, loop: Loop) -> None:
    """Half of their drivers accept by request, half by socket; each order gets its hundred."""
    crowd = Crowd(city, loop, "EIGHT", DRIVERS)
    scripts = watch_scripts(city)
    port = city.port("web1")
    with bystanders(port, BYSTANDERS_A_SECOND) as others:
        wait(loop, BEFORE_SECONDS)
        orders = crowd.orders(LARGE_ORDERS, TRUCKS)
        parts = [crowd.subs[number::LARGE_ORDERS] for number in range(LARGE_ORDERS)]
        begun = time.monotonic()
        by_socket = list(zip(orders, parts, strict=True))[: LARGE_ORDERS // 2]
        for order_id, subs in by_socket:
            crowd.accept_by_socket(order_id, subs)
        requests = [
            accepting
            for order_id, subs in list(zip(orders, parts, strict=True))[LARGE_ORDERS // 2 :]
            for accepting in crowd.accepting(subs, order_id)
        ]
        answers = outcomes(at_once(loop, port, requests))
        confirmed = sum(len(subs) for _, subs in by_socket)
        loop.run(time.monotonic() + TOLD_SECONDS, lambda: crowd.confirmations().total() >= confirmed)
        lasted = time.monotonic() - begun
        wait(loop, AFTER_SECONDS)
    times = Times(longest_script(scripts), others.p99)
    print(
        f"\n{dict(answers)}, {dict(crowd.confirmations())} in {lasted:.2f} s, "
        f"{times}, {dict(Counter(others.statuses))}"
    )
    won, lost = TRUCKS * LARGE_ORDERS // 2, (DRIVERS - TRUCKS * LARGE_ORDERS) // 2
    assert answers == {"200": won, "409 TRUCK_TAKEN": lost}
    assert crowd.confirmations() == {"accepted": won, "TRUCK_TAKEN": lost}
    assert set(others.statuses) == {201}
