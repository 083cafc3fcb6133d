"""Hosts whose clocks are 30 s apart do all that hosts with the right time do, and as soon."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from tests import scenes
from tests.conftest import Stores
from tests.system import Person, System, hear, on_duty, until
from workers.orders import admitting

pytestmark = pytest.mark.timeout(120)

# Long enough for a second wave, which comes after 10 s.
TTL_SECONDS = 14
# Less than the clocks are apart.
PRESENCE_SECONDS = 20
# By how many seconds each host's clock is wrong; those of Postgres and Redis are right.
AROUND_THE_STORES = {"web1": 15, "web2": -15, "orders": -15, "sweeps": 15, "beat": -15}
AHEAD_OF_THE_STORES = {"web1": 30, "web2": 0, "orders": 30, "sweeps": 30, "beat": 0}


class Skewed(System):
    """The processes of the Procfile, each on a host with a clock of its own."""

    def __init__(self, clocks: dict[str, int], environment: dict[str, str], logs: Path) -> None:
        super().__init__(environment, logs)
        self.clocks = clocks

    def run(self, name: str, command: tuple[str, ...], **extra: str) -> None:
        wrong_by = str(self.clocks[name])
        super().run(name, command, SKEW_SECONDS=wrong_by, PYTHONPATH=str(Path(__file__).parent), **extra)


@contextmanager
def skewed(clocks: dict[str, int], stores: Stores, logs: Path) -> Iterator[Skewed]:
    settings = {
        "ORDER_TTL_SECONDS": str(TTL_SECONDS),
        "DRIVER_PRESENCE_SECONDS": str(PRESENCE_SECONDS),
    }
    system = Skewed(clocks, stores.environment | settings, logs)
    try:
        system.start()
        yield system
    finally:
        Person.forget_all()
        system.stop()


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    "clocks",
    [AROUND_THE_STORES, AHEAD_OF_THE_STORES],
    ids=["around the stores", "ahead of the stores"],
)
def test_orders_waves_expiry_and_recovery_are_as_with_the_right_time(
    clocks: dict[str, int], stores: Stores, tmp_path: Path
) -> None:
    with skewed(clocks, stores, tmp_path) as system:
        one, two = system.urls
        near, far = on_duty(one, "near", 1), on_duty(two, "far", 8)
        asha, bina = Person(two, "customer", "asha"), Person(one, "customer", "bina")
        with near.socket(two) as at_near, far.socket(one) as at_far, bina.socket(two) as at_bina:
            began = time.monotonic()
            first, order_id = _orders_one_after_the_other(asha, one)
            nobody = bina.order(scenes.body(vehicle=("TRUCK", "CRANE")))
            assert (first, nobody.status_code) == (201, 201)
            told = hear(at_near, "new_broadcast", 3)
            while told["data"]["orderId"] != order_id:
                told = hear(at_near, "new_broadcast", 3)
            # What an app counts down, and the clock that it learns from answers.
            assert abs(seconds_between(told["at"], told["data"]["expiresAt"]) - TTL_SECONDS) < 3
            date = parsedate_to_datetime(asha.http.get("/orders").headers["Date"])
            assert abs(date.timestamp() - time.time()) < 3
            near.http.post(f"/orders/{order_id}/decline")
            _is_recovered()
            # Heard of just now, by one host, and looked for by another.
            _says_where_he_is(far)
            assert hear(at_far, "new_broadcast", 12)["data"]["orderId"] == order_id
            assert 9 < time.monotonic() - began < 13
            _is_driven(far, asha, order_id)
            assert hear(at_bina, "order_expired", 10)["data"]["orderId"]
            assert TTL_SECONDS - 1 < time.monotonic() - began < TTL_SECONDS + 4


def _orders_one_after_the_other(customer: Person, first_at: str) -> tuple[int, str]:
    """The first is called off; lists have the second one before it. The status and id of the second."""
    before = Person(first_at, "customer", customer.sub)
    called_off = before.order(scenes.body()).json()["data"]["order"]["id"]
    assert before.http.post(f"/orders/{called_off}/cancel", json={}).status_code == 200
    placed = customer.order(scenes.body())
    order_id = placed.json()["data"]["order"]["id"]
    listed = customer.http.get("/orders").json()["data"]["orders"]
    assert [order["id"] for order in listed] == [order_id, called_off]
    return placed.status_code, order_id


def _says_where_he_is(driver: Person) -> None:
    here = {"latitude": scenes.NOIDA[0] + 8 / 111.195, "longitude": scenes.NOIDA[1]}
    sent = driver.http.post("/drivers/me/locations", json={"locations": [here]})
    assert sent.json()["data"]["live"] == 1


def _is_recovered() -> None:
    """What was committed and never enqueued is placed within seconds."""
    asked = scenes.request("carl", vehicle=("TRUCK", "CRANE"))
    assert admitting.admit([asked])

    def placed() -> bool:
        found: Any = admitting.by_order(asked.order_id)
        return bool(found.state == "placed")

    until(placed, 5, "an admission that nobody enqueued was not placed")


def _is_driven(driver: Person, customer: Person, order_id: str) -> None:
    won = driver.http.post(f"/orders/{order_id}/accept", json={}).json()["data"]
    for status in ("en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed"):
        step = driver.http.post(f"/trips/{won['truckRequestId']}/status", json={"status": status})
        assert step.status_code == 200
    order = customer.http.get(f"/orders/{order_id}").json()["data"]["order"]
    assert order["status"] == "completed"
