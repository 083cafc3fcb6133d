"""Small acts of one person, and looks into the database, for the scenarios."""

import asyncio
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2

from tests.faults.faults import send_signal
from tests.faults.fleet import Fleet
from tests.faults.http import Answer, Client, Cut
from tests.faults.scene import order_body, token
from tests.faults.verdict import rows
from tests.system import Timeout, until

RECOVERY_SECONDS = 5.0


async def post(port: int, customer: str, key: str | None, subtype: str = "NOBODYS") -> Answer:
    """One order, sent once on a fresh connection. Raises ``Cut``."""
    client = Client(token("customer", customer))
    headers = {"X-Idempotency-Key": key} if key else {}
    try:
        return await client.request(
            port, "POST", "/orders", order_body(f"{customer}/{key}", subtype), headers
        )
    finally:
        client.close()


def order(port: int, customer: str, key: str | None = "k", subtype: str = "NOBODYS") -> Answer:
    """The same, for those who have time."""
    return asyncio.run(post(port, customer, key, subtype))


def order_many(ports: Sequence[int], customers: Sequence[str], key: str = "k") -> list[Answer | Cut]:
    """One order of each customer at once, on these servers in turn."""

    async def all_of_them() -> list[Any]:
        sent = [post(ports[n % len(ports)], customer, key) for n, customer in enumerate(customers)]
        return await asyncio.gather(*sent, return_exceptions=True)

    return asyncio.run(all_of_them())


def keep_asking(port: int, customer: str, key: str = "k", seconds: float = 20) -> Answer:
    """What an app does: the same key until it is answered for good."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(Cut):
            answer = order(port, customer, key)
            if answer.status in (201, 202):
                return answer
        time.sleep(0.3)
    raise AssertionError(f"{customer} was never answered")


def orders_of(fleet: Fleet, customer: str) -> list[Any]:
    """The rows of this customer's orders."""
    return rows(
        fleet.postgres.url,
        f"SELECT id::text, status, searching, created_at FROM orders WHERE customer_id = '{customer}'",
    )


def admissions_of(fleet: Fleet, customer: str) -> list[Any]:
    """The rows of this customer's admissions."""
    return rows(
        fleet.postgres.url,
        f"SELECT order_id::text, state, answer_status FROM admissions WHERE customer_id = '{customer}'",
    )


def placed(fleet: Fleet, customers: Sequence[str], seconds: float) -> None:
    """Waits until each of them has exactly one order; more than one is an error at once."""
    wanted = ", ".join(f"'{customer}'" for customer in customers)
    query = f"SELECT customer_id, count(*) FROM orders WHERE customer_id IN ({wanted}) GROUP BY 1"

    def all_have_one() -> bool:
        try:
            found = dict(rows(fleet.postgres.url, query))
        except psycopg2.Error:
            return False
        assert set(found.values()) <= {1}, found
        return len(found) == len(set(customers))

    try:
        until(all_have_one, seconds)
    except Timeout as error:
        states = {
            customer: admissions_of(fleet, customer)
            for customer in customers
            if not orders_of(fleet, customer)
        }
        raise AssertionError(f"not every accepted order was placed: {states}") from error


def works(fleet: Fleet, port: int, sub: str, seconds: float = RECOVERY_SECONDS) -> float:
    """Seconds until a new order is answered 201; an AssertionError after ``seconds``."""
    begun, number = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        number += 1
        with suppress(Cut):
            if order(port, f"{sub}-{number}").status == 201:
                return time.monotonic() - begun
        time.sleep(0.1)
    raise AssertionError(f"no new order was placed within {seconds} s")


@contextmanager
def frozen(fleet: Fleet, *names: str) -> Iterator[None]:
    """These processes and their children stand still for the time of the block."""
    pids = [pid for name in names for pid in (fleet.processes[name].pid, *fleet.children(name))]
    for pid in pids:
        send_signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            send_signal(pid, signal.SIGCONT)
