"""A driver and an operator do something to the same trip at the same moment: it has one outcome."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from models import db
from models.errors import DomainError
from models.tables.orders import NEXT_TRIP_STATUS, RUNNING
from tasks import offers, operating
from tasks import trips as steps
from tests import scenes
from tests.faults.verdict import LEFT_OVER
from workers.operating.held import TripAct

pytestmark = pytest.mark.timeout(600)

SHORT = 25
DEEDS = ("complete", "close", "take-off", "hand-over", "cancel")
# What is going on while the race is judged, and what scenes leave that place orders without what follows.
GOES_ON = {"an order is still searching", "an outbox row is left"}
# Of each order: its counts are those of its trucks, a truck that runs has one won offer, and its driver's.
WRONG = text(f"""
    SELECT o.id, o.status, o.trucks_filled, array_agg(t.status) AS trucks FROM orders o
    JOIN truck_requests t ON t.order_id = o.id GROUP BY o.id
    HAVING o.status <> 'cancelled' AND o.trucks_filled <> count(*) FILTER (
        WHERE t.status IN {(*RUNNING, "completed")})
    OR bool_or(t.status IN {RUNNING}) AND o.status IN ('cancelled', 'completed', 'expired')
    OR bool_or(t.status IN {RUNNING} AND NOT EXISTS (
        SELECT FROM offers f WHERE f.truck_request_id = t.id AND f.driver_id = t.driver_id
            AND f.state = 'accepted'))
""")
AUDITED = text("SELECT count(*) FROM order_events WHERE order_id = :id AND data ->> 'operator' = 'olga'")


@dataclass(frozen=True)
class _Race:
    """One trip, at some stage of its course."""

    barrier: threading.Barrier
    number: int
    order_id: str
    truck: str
    stage: str

    def operator(self, deed: str) -> bool:
        """Whether it was done."""
        self.barrier.wait()
        act = TripAct(self.truck, "olga", "phone dead")
        try:
            if deed == "cancel":
                return operating.cancel(self.order_id, "olga", "phone dead")
            if deed == "hand-over":
                return operating.hand_over(act, f"next-{self.number}")
            return operating.on_trip(deed, act)
        except DomainError:
            return False

    def driver(self, _: str) -> bool:
        self.barrier.wait()
        me = f"first-{self.number}"
        try:
            if self.number % 3 == 0:
                steps.give_back(me, self.truck, "flat tyre")
            else:
                steps.advance(me, self.truck, NEXT_TRIP_STATUS[self.stage])
        except DomainError:
            return False
        return True

    def other(self, other_order: str) -> bool:
        """The driver whom the trip would go to takes an order of their own."""
        self.barrier.wait()
        if self.number % 2:
            return False
        try:
            offers.accept(f"next-{self.number}", other_order)
        except DomainError:
            return False
        return True


def _race(number: int) -> tuple[_Race, str]:
    vehicle = ("TRUCK", f"r{number}")
    first = scenes.driver(f"first-{number}", vehicle=vehicle)
    order_id = scenes.placed(f"c{number}", vehicle=vehicle).order_id
    truck = str(offers.accept(first, order_id)["truckRequestId"])
    stage = RUNNING[number // len(DEEDS) % len(RUNNING)]
    for step in RUNNING[1 : RUNNING.index(stage) + 1]:
        steps.advance(first, truck, step)
    scenes.driver(f"next-{number}", 2, vehicle=vehicle)
    other = scenes.placed(f"o{number}", vehicle=vehicle).order_id
    return _Race(threading.Barrier(3), number, order_id, truck, stage), other


@pytest.mark.usefixtures("clean")
def test_a_driver_and_an_operator_at_once_leave_one_outcome(rounds: Callable[[int], int]) -> None:
    done: Counter[str] = Counter()
    with ThreadPoolExecutor(3) as pool:
        for number in range(rounds(SHORT)):
            race, other = _race(number)
            deed = DEEDS[number % len(DEEDS)]
            acted = pool.submit(race.operator, deed)
            moved, taken = pool.submit(race.driver, ""), pool.submit(race.other, other)
            done.update({deed: acted.result(), "driver": moved.result(), "other": taken.result()})
            with db.statements() as connection:
                audited = connection.execute(AUDITED, {"id": race.order_id}).scalar_one()
                assert connection.execute(WRONG).all() == [], (deed, race)
                left = {
                    why
                    for why, count in LEFT_OVER.items()
                    if why not in GOES_ON and connection.execute(text(count)).scalar_one()
                }
            assert (audited > 0) == acted.result(), (deed, race)
            assert left == set(), (deed, race)
    print("done of", rounds(SHORT), "rounds:", dict(done))
    assert sum(done[deed] for deed in DEEDS) > rounds(SHORT) / 4
    assert done["driver"] > 0
