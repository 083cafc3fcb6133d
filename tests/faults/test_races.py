"""Many want the same at once: one order a key, one order a customer, one end a search."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import pytest

from models import db
from models.errors import DomainError
from tests import scenes
from tests.faults.apps import orders_of
from tests.faults.fleet import Fleet
from tests.faults.http import Answer, Client, close_all
from tests.faults.scene import order_body, token
from workers.offers import accepting
from workers.orders import cancelling, expiring

pytestmark = pytest.mark.timeout(600)

AT_ONCE = 20
SHORT = 40


def test_one_key_at_once_is_one_order(fleet: Fleet, name: str, rounds: Callable[[int], int]) -> None:
    for number in range(rounds(SHORT)):
        customer = f"{name}-{number}"
        answers = asyncio.run(_post_at_once(fleet, customer, ["same"] * AT_ONCE))
        accepted = [answer for answer in answers if answer.status in (201, 202)]
        first = [answer for answer in accepted if "idempotent-replayed" not in answer.headers]
        assert len(first) == 1, _statuses(answers)
        assert {(answer.status, answer.body) for answer in accepted} == {(first[0].status, first[0].body)}
        refused = [answer for answer in answers if answer not in accepted]
        assert {answer.code for answer in refused} <= {"CONCURRENT_REQUEST"}, _statuses(answers)
        assert len(orders_of(fleet, customer)) == 1


def test_twenty_keys_of_one_customer_at_once_are_one_order(
    fleet: Fleet, name: str, rounds: Callable[[int], int]
) -> None:
    for number in range(rounds(SHORT)):
        customer = f"{name}-{number}"
        answers = asyncio.run(_post_at_once(fleet, customer, [f"key-{n}" for n in range(AT_ONCE)]))
        assert [answer.status for answer in answers].count(201) == 1, _statuses(answers)
        refused = {answer.code for answer in answers if answer.status != 201}
        assert refused <= {"CONCURRENT_REQUEST", "ACTIVE_ORDER_EXISTS"}, _statuses(answers)
        assert len(orders_of(fleet, customer)) == 1


async def _post_at_once(fleet: Fleet, customer: str, keys: list[str]) -> list[Answer]:
    """One order under each of these keys, on both web processes in turn."""
    ports = [fleet.port("web1"), fleet.port("web2")]
    clients = [Client(token("customer", customer)) for _ in keys]
    try:
        posts = [
            client.request(ports[n % 2], "POST", "/orders", order_body(customer, "NOBODYS"), _key(keys[n]))
            for n, client in enumerate(clients)
        ]
        return await asyncio.gather(*posts)
    finally:
        await close_all(*clients)


def _key(key: str) -> dict[str, str]:
    return {"X-Idempotency-Key": key}


def _statuses(answers: list[Answer]) -> Counter[str]:
    return Counter(f"{answer.status} {answer.code}" for answer in answers)


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
def test_cancel_accept_and_expiry_at_once_leave_one_end(rounds: Callable[[int], int]) -> None:
    endings: Counter[str] = Counter()
    with ThreadPoolExecutor(3) as pool:
        for number in range(rounds(SHORT)):
            driver = scenes.driver(f"d{number}", vehicle=("TRUCK", f"r{number}"))
            order_id = scenes.placed(f"c{number}", vehicle=("TRUCK", f"r{number}")).order_id
            race = _Race(threading.Barrier(3), driver, f"c{number}", order_id)
            list(pool.map(race.act, ("accept", "cancel", "expire")))
            endings[_end(order_id)] += 1
    assert sum(endings.values()) == rounds(SHORT)
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
    ends = [event for event in events if event in ("order_cancelled", "order_expired", "truck_assigned")]
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
