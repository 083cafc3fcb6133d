"""Many want the same at once: each truck to one driver, each driver to one truck, one end a search."""

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import pytest

from models import db
from models.errors import DomainError
from tests import scenes
from tests.faults.drivers import Driver
from tests.faults.fleet import Fleet
from tests.faults.http import Answer, Client
from tests.faults.ledger import Ledger
from tests.faults.scene import Pace, World, order_body, token
from tests.faults.verdict import rows
from workers import accepting, cancelling, expiring

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

# Nobody else is asked in one wave: 10 drivers a missing truck.
ASKED_A_TRUCK = 10
ROUNDS = 500


@pytest.mark.parametrize(("drivers", "trucks"), [(50, 1), (200, 20)])
def test_accept_race(fleet: Fleet, name: str, drivers: int, trucks: int) -> None:
    answers = asyncio.run(_race(fleet, name, drivers, trucks))
    codes = Counter(answer.code or "won" for answer in answers)
    asked = min(drivers, trucks * ASKED_A_TRUCK)
    assert codes["won"] == trucks
    assert codes["TRUCK_TAKEN"] == asked - trucks
    assert codes["NOT_OFFERED"] == drivers - asked
    won = rows(
        fleet.postgres.url,
        "SELECT count(DISTINCT t.driver_id) AS winners, count(*) AS trucks FROM truck_requests t "
        f"JOIN orders o ON o.id = t.order_id WHERE o.customer_id = '{name}' AND t.status = 'assigned'",
    )
    assert tuple(won[0]) == (trucks, trucks)


async def _race(fleet: Fleet, name: str, drivers: int, trucks: int) -> list[Answer]:
    ports = [fleet.port("web1"), fleet.port("web2")]
    world = World(ports, Ledger(), Random(1), Pace(1))
    them = [Driver(world, f"{name}-{n}", name.upper(), n % 10) for n in range(drivers)]
    for some in range(0, drivers, 20):
        await asyncio.gather(*(one.register() for one in them[some : some + 20]))
    customer = Client(token("customer", name))
    body = order_body(name, name.upper(), trucks)
    answer = await customer.request(ports[0], "POST", "/orders", body)
    assert answer.data["broadcastSummary"]["totalDriversNotified"] == min(drivers, trucks * ASKED_A_TRUCK)
    path = f"/orders/{answer.data['order']['id']}/accept"
    clients = [Client(token("driver", one.sub)) for one in them]
    accepts = [one.request(ports[n % 2], "POST", path, {}) for n, one in enumerate(clients)]
    answers = await asyncio.gather(*accepts)
    for client in (customer, *clients):
        client.close()
    return answers


@dataclass(frozen=True)
class _Race:
    """One order, three who end its search at the same moment."""

    barrier: threading.Barrier
    driver: str
    customer: str
    order_id: str

    def act(self, what: str) -> None:
        self.barrier.wait()
        with suppress(DomainError):
            if what == "accept":
                accepting.accept(self.driver, self.order_id)
            elif what == "cancel":
                cancelling.cancel(self.customer, self.order_id, "race")
            else:
                expiring.end_now(self.order_id, "olga")


@pytest.mark.usefixtures("clean")
def test_cancel_accept_and_expiry_at_once_leave_one_end() -> None:
    endings: Counter[str] = Counter()
    with ThreadPoolExecutor(3) as pool:
        for number in range(ROUNDS):
            driver = scenes.driver(f"d{number}", vehicle=("TRUCK", f"r{number}"))
            order_id = scenes.placed(f"c{number}", vehicle=("TRUCK", f"r{number}")).order_id
            race = _Race(threading.Barrier(3), driver, f"c{number}", order_id)
            list(pool.map(race.act, ("accept", "cancel", "expire")))
            endings[_end(order_id)] += 1
    assert sum(endings.values()) == ROUNDS
    assert len(endings) > 1, endings


def _end(order_id: str) -> str:
    """The one end of an order, once its row, its trucks, its offers and its events agree."""
    with db.transaction() as connection:
        status, searching = connection.exec_driver_sql(
            "SELECT status, searching FROM orders WHERE id = %s", (order_id,)
        ).one()
        truck = connection.exec_driver_sql(
            "SELECT status FROM truck_requests WHERE order_id = %s", (order_id,)
        ).scalar_one()
        events = [
            row.type
            for row in connection.exec_driver_sql(
                "SELECT type FROM order_events WHERE order_id = %s ORDER BY id", (order_id,)
            )
        ]
        open_offers = connection.exec_driver_sql(
            "SELECT count(*) FROM offers WHERE order_id = %s AND state = 'open'", (order_id,)
        ).scalar_one()
    ends = [one for one in events if one in ("order_cancelled", "order_expired", "truck_assigned")]
    allowed = {
        "cancelled": (("order_cancelled",), ("truck_assigned", "order_cancelled")),
        "expired": (("order_expired",),),
        "fully_filled": (("truck_assigned",),),
    }
    assert not searching
    assert not open_offers
    assert tuple(ends) in allowed[status], (status, events)
    assert truck == {"fully_filled": "assigned"}.get(status, status), (status, truck)
    return str(status)
