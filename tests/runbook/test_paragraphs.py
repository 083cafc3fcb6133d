"""What the paragraphs below the tables say: their commands, taken from the page, on a running system."""

import json
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from models import live
from models.live import driver_index
from tests import scenes
from tests.runbook.operator import Operator, commands
from tests.system import Person, hear, on_duty, ready, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]
VEHICLE = ("TRUCK", "TATA_407")


@pytest.fixture
def url(operator: Operator) -> str:
    """The address of the system, once it is well."""
    address: str = operator.system.urls[0]
    until(partial(ready, address), 60)
    return address


def order(url: str, customer: str) -> str:
    """Places an order of this vehicle under the key ``key``; its id."""
    body = scenes.body(vehicle=VEHICLE)
    answer = Person(url, "customer", customer).order(body, X_Idempotency_Key="key")
    assert answer.status_code == 201
    found: str = answer.json()["data"]["order"]["id"]
    return found


def test_nothing_has_to_be_done_after_redis_was_emptied(url: str) -> None:
    driver, customer = on_duty(url, uuid4().hex, vehicle=VEHICLE), uuid4().hex
    before = order(url, customer)
    live.commands().flushall()
    assert order(url, customer) == before
    with driver.socket() as socket:
        assert hear(socket, "new_broadcast")["data"]["orderId"] == before
        socket.send(json.dumps({"type": "heartbeat", "data": {}}))
        until(lambda: driver_index.signs([driver.sub])[0].seen_ms, 20, "not found again")
        new = order(url, uuid4().hex)
        assert hear(socket, "new_broadcast")["data"]["orderId"] == new


def test_the_tables_are_upgraded_by_the_command_twice_at_once_beside_orders(
    operator: Operator, url: str
) -> None:
    [command, *_] = commands("Upgrading the tables")
    running = [operator.type(command) for _ in range(2)]
    order(url, uuid4().hex)
    for process in running:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said


def test_a_list_of_drivers_is_erased_by_the_command_which_names_those_at_work(
    operator: Operator, url: str, tmp_path: Path
) -> None:
    working, leaving = (on_duty(url, uuid4().hex) for _ in range(2))
    assert leaving.http.put("/drivers/me/availability", json={"available": False}).status_code == 200
    (tmp_path / "ids").write_text(f"{working.sub}\n{leaving.sub}\n")
    [command] = [
        found for found in commands("How long data is kept, and erasing a person") if "< ids" in found
    ]
    process = operator.type(command.replace("< ids", f"< {tmp_path / 'ids'}"))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "erased: 1 drivers" in said
    assert working.sub in said
    assert leaving.http.get("/drivers/me").json()["data"]["driver"]["name"] == "erased"
