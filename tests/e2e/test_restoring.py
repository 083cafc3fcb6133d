"""Backup under load, everything killed, and a restore into an empty system."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from models import db
from tests import scenes
from tests.conftest import ROOT, Stores, own_stores
from tests.growth.filling import fill_tables
from tests.system import Person, System, on_duty, running, until
from web.identity.issuing import issue

ORDERS_PER_SECOND = 20
# Long enough for a search to be open in the dump and still open after the restore.
TTL_SECONDS = 8
SHORT = {"ORDER_TTL_SECONDS": str(TTL_SECONDS)}


@dataclass(frozen=True)
class Answer:
    """When an order was asked for and answered, and where it is."""

    begun: float
    ended: float
    location: str


@dataclass
class Customers:
    """Orders at an even pace, each of another customer with a key of their own."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)

    def order_for(self, seconds: float) -> None:
        for _ in range(int(seconds * ORDERS_PER_SECOND)):
            thread = threading.Thread(target=self._order, args=(f"customer-{len(self._threads)}",))
            self._threads.append(thread)
            thread.start()
            time.sleep(1 / ORDERS_PER_SECOND)

    def finish(self) -> None:
        for thread in self._threads:
            thread.join()

    def _order(self, name: str) -> None:
        begun = time.monotonic()
        answer = post(self.url, name)
        assert answer.status_code in (201, 202)
        self.answers[name] = Answer(begun, time.monotonic(), answer.headers["Location"])


def post(url: str, name: str) -> httpx.Response:
    headers = authorization(name) | {"X-Idempotency-Key": f"key-of-{name}"}
    return httpx.post(f"{url}/api/v1/orders", json=scenes.body(), headers=headers, timeout=20)


def authorization(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issue('customer', name, timedelta(hours=1))}"}


def backup(verb: str, file: Path, stores: Stores) -> None:
    command = [sys.executable, "-m", "tools.local.backup", verb, str(file)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | stores.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_a_backup_under_load_is_restored_into_an_empty_system(tmp_path: Path) -> None:
    file = tmp_path / "weelo.dump"
    with own_stores("weelo-before-") as stores, running(stores.environment | SHORT, tmp_path) as system:
        customers = Customers(system.urls[0])
        began, ended = _save_under_load(stores, system, customers, file)
    Person.forget_all()
    with own_stores("weelo-after-") as stores:
        backup("restore", file, stores)
        restored = time.monotonic()
        dumped = _dumped()
        # An order that the dump has as admitted only begins its search after the restore.
        searching = _searching(dumped)
        assert searching
        assert {name for name, answer in customers.answers.items() if answer.ended < began} <= dumped
        assert not {name for name, answer in customers.answers.items() if answer.begun > ended} & dumped
        with running(stores.environment | SHORT, tmp_path) as system:
            until(
                lambda: not _searching(searching),
                restored + TTL_SECONDS + 2 - time.monotonic(),
                "a restored search did not end",
            )
            _repeat_all(system.urls[0], customers, dumped)
            _drivers_are_found_again(system.urls[0])


# Most of it is filling the tables.
@pytest.mark.timeout(400)
@pytest.mark.by_hand
def test_a_hundred_thousand_orders_are_restored_within_a_minute(tmp_path: Path) -> None:
    file, count = tmp_path / "weelo.dump", "SELECT count(*) FROM orders"
    with own_stores("weelo-before-") as stores:
        fill_tables(stores.postgres.url, 100_000, offers=5, drivers=30_000)
        backup("save", file, stores)
    with own_stores("weelo-after-") as stores:
        begun = time.monotonic()
        backup("restore", file, stores)
        took = time.monotonic() - begun
        print(f"100,000 orders, {file.stat().st_size / 1e6:.0f} MB: restored in {took:.1f} s")
        assert took < 60
        with db.statements() as connection:
            assert connection.exec_driver_sql(count).scalar_one() == 100_000


def _save_under_load(stores: Stores, system: System, customers: Customers, file: Path) -> tuple[float, float]:
    """When the backup began and ended; orders went on around it until everything was killed."""
    on_duty(system.urls[0], "ravi")
    customers.order_for(1)
    load = threading.Thread(target=customers.order_for, args=(3,))
    load.start()
    began = time.monotonic()
    backup("save", file, stores)
    ended = time.monotonic()
    load.join()
    customers.order_for(1)
    customers.finish()
    for process in system.processes.values():
        os.killpg(process.pid, signal.SIGKILL)
    stores.postgres.kill()
    stores.valkey.kill()
    return began, ended


def _dumped() -> set[str]:
    with db.statements() as connection:
        found = connection.exec_driver_sql("SELECT customer_id FROM admissions").scalars()
        return set(found)


def _searching(names: set[str]) -> set[str]:
    """Those of these customers whose orders search."""
    with db.statements() as connection:
        statement = "SELECT customer_id FROM orders WHERE searching AND customer_id = ANY(%s)"
        return set(connection.exec_driver_sql(statement, (list(names),)).scalars())


def _repeat_all(url: str, customers: Customers, dumped: set[str]) -> None:
    """Each key once more: what the dump has is answered again, for any other there is a new order. Both are
    there to be read.
    """
    for name, answer in customers.answers.items():
        again = post(url, name)
        assert again.status_code in (201, 202)
        assert ("Idempotent-Replayed" in again.headers) == (name in dumped)
        location = again.headers["Location"]
        assert (location == answer.location) == (name in dumped)
        read = httpx.get(f"{url}{location}", headers=authorization(name), timeout=20)
        assert read.json()["data"]["order"]["id"] == location.rpartition("/")[2]


def _drivers_are_found_again(url: str) -> None:
    driver = Person(url, "driver", "ravi")
    here = {"latitude": scenes.NOIDA[0], "longitude": scenes.NOIDA[1]}
    sent = driver.http.post("/drivers/me/locations", json={"locations": [here]})
    assert sent.json()["data"]["live"] == 1
    order = post(url, "the-next").json()["data"]
    assert order["broadcastSummary"]["totalDriversNotified"] == 1
