"""Who was erased is in no table, key or later backup; while something is under way nobody is erased."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import redis
from werkzeug.test import TestResponse

from models import db, live
from models.live.driver_index import Position
from tasks import drivers, offers, orders, trips
from tests import scenes
from tests.clients import Caller, code
from tests.conftest import ROOT, Stores
from tools.local import binaries
from web.positions.history import PositionHistory
from web.wakeups import wakeups
from workers.drivers import locating

pytestmark = pytest.mark.usefixtures("clean")

NAME, PHONE, PLATE = "Surinder Kaur", "+919812345678", "HR 26 ZX 9911"
HOUSE, SHOP, GOODS, WORDS = (
    "Flat 77 Lotus Court",
    "Shop 5 Chawri Bazar",
    "grandmother's piano",
    "sister is ill",
)
# Operators' reasons, which may name anybody.
TIRED, CALLED = f"{NAME} is too tired", "Meera's mother called"
HOME, GOAL = (28.53551234, 77.39105678), (28.61391234, 77.20905678)
WAY = (28.55559876, 77.35559876)
# Coordinates are found by what two decimals do not say.
OF_CUSTOMER = (HOUSE, SHOP, GOODS, CALLED, WORDS, *(str(number) for number in (*HOME, *GOAL)))
OF_DRIVER = (NAME, PHONE, PLATE, TIRED, "clutch gone", *(str(number) for number in WAY))


def everything(stores: Stores, file: Path) -> str:
    """All tables, from a backup of now, and all keys of Redis."""
    command = [sys.executable, "-m", "tools.local.backup", "save", str(file)]
    subprocess.run(command, cwd=ROOT, env=os.environ | stores.environment, check=True, capture_output=True)
    restorer = [str(binaries.postgres() / "pg_restore"), "--file=-", str(file)]
    tables = subprocess.run(restorer, capture_output=True, check=True, text=True).stdout
    with redis.Redis.from_url(stores.valkey.url) as client:
        return tables + "\n".join(f"{key} {value(client, key)}" for key in client.scan_iter())


def value(client: Any, key: bytes) -> Any:
    """All of a key, as it is: places are doubles in some."""
    read: dict[bytes, Callable[[], Any]] = {
        b"string": lambda: client.get(key),
        b"hash": lambda: client.hgetall(key),
        b"stream": lambda: client.xrange(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"zset": lambda: client.zrange(key, 0, -1),
    }
    return read[client.type(key)]()


@pytest.fixture(autouse=True)
def _worker_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders are placed in this process, before their request waits for them."""
    monkeypatch.setattr(orders, "enqueue", lambda order_ids: orders.place(order_ids) is None)
    monkeypatch.setattr(wakeups, "expect", lambda order_id: nullcontext())


def ordered(key: str) -> str:
    places: Any = {
        "pickup": {"latitude": HOME[0], "longitude": HOME[1], "address": HOUSE, "city": "Noida"},
        "drop": {"latitude": GOAL[0], "longitude": GOAL[1], "address": SHOP},
    }
    body = scenes.body(goodsType=GOODS, **places)
    answer = Caller("customer", "asha").post("/orders", body, X_Idempotency_Key=key, Prefer="wait=0")
    assert answer.status_code == 201
    return str((answer.json or {})["data"]["order"]["id"])


def served() -> str:
    """An order of asha's that ravi has driven, one that was returned and then cancelled, and one that an
    operator cancelled before it was placed.
    """
    scenes.driver("ravi")
    drivers.register("ravi", NAME, PHONE, "TRUCK", "TATA_ACE", PLATE)
    order_id = ordered("first")
    truck = offers.accept("ravi", order_id)["truckRequestId"]
    here = [("ravi", Position(*WAY, scenes.now_ms()))]
    history = PositionHistory()
    history.record_trips(here, drivers.report_positions(here, scenes.now_ms()))
    history.stop()
    locating.save(dict(here))
    for status in ("en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed"):
        trips.advance("ravi", truck, status)
        if status == "at_pickup":
            act("drivers/ravi/off-duty", TIRED)
    drivers.set_available("ravi", True)
    other = ordered("second")
    trips.give_back("ravi", offers.accept("ravi", other)["truckRequestId"], "clutch gone")
    orders.cancel("asha", other, WORDS)
    act(f"orders/{scenes.admitted('asha', key='third')}/cancel", CALLED)
    for name, role in (("asha", "customer"), ("ravi", "driver")):
        assert Caller(role, name).get("/orders" if role == "customer" else "/drivers/me").status_code == 200
    assert Caller("customer", "asha").get(f"/orders/{order_id}").status_code == 200
    return order_id


def act(deed: str, reason: str) -> None:
    assert Caller("ops", "olga").post(f"/ops/{deed}", {"reason": reason}).status_code == 200


def erase(role: str, person: str) -> TestResponse:
    return Caller("ops", "olga").post(f"/ops/people/{role}/{person}/erase", {"reason": "asked for"})


def tracks() -> int:
    with db.statements() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM track_parts").scalar_one())


def found(words: tuple[str, ...], where: str) -> list[str]:
    return [word for word in words if word in where]


def test_an_erased_customer_is_in_no_table_key_or_later_backup(stores: Stores, tmp_path: Path) -> None:
    order_id = served()
    assert found(OF_CUSTOMER, everything(stores, tmp_path / "before")) == list(OF_CUSTOMER)
    assert tracks() > 0
    assert erase("customer", "asha").status_code == 200
    after = everything(stores, tmp_path / "after")
    assert found(OF_CUSTOMER, after) == []
    assert found(OF_DRIVER[:3], after) == list(OF_DRIVER[:3]), "the driver is somebody else"
    assert tracks() == 0
    seen = (Caller("ops", "olga").get(f"/ops/orders/{order_id}").json or {})["data"]
    assert seen["order"]["pickup"] == {
        "address": "erased",
        "coordinates": {"latitude": 28.54, "longitude": 77.39},
    }
    assert "order_completed" in {event["type"] for event in seen["events"]}
    assert ordered("first") != order_id, "a customer who orders again is a new one"


def test_an_erased_driver_is_in_no_table_key_or_later_backup(stores: Stores, tmp_path: Path) -> None:
    order_id = served()
    assert erase("driver", "ravi").status_code == 409
    drivers.set_available("ravi", False)
    assert found(OF_DRIVER, everything(stores, tmp_path / "before")) == list(OF_DRIVER)
    assert erase("driver", "ravi").status_code == 200
    after = everything(stores, tmp_path / "after")
    assert found(OF_DRIVER, after) == []
    assert found(OF_CUSTOMER[:4], after) == list(OF_CUSTOMER[:4]), "the customer is somebody else"
    assert WORDS not in after, "a reason may name the driver"
    assert not live.commands().exists("driver:ravi", "mailbox:driver:ravi", "mailbox:driver:ravi:state")
    view = (Caller("customer", "asha").get(f"/orders/{order_id}").json or {})["data"]
    assert view["truckRequests"][0]["driver"]["name"] == "erased"


def test_every_erasure_is_noted_with_operator_and_reason_and_may_be_repeated() -> None:
    for _ in range(2):
        assert erase("customer", "nobody-known").status_code == 200
    assert noted() == [("customer", "nobody-known", "olga", "asked for")] * 2


def noted() -> list[tuple[str, ...]]:
    with db.statements() as connection:
        rows = connection.exec_driver_sql("SELECT role, person_id, operator, reason FROM erasures").all()
        return [tuple(row) for row in rows]


@pytest.mark.parametrize("stage", ["queued", "searching", "assigned"])
def test_nobody_is_erased_while_something_of_theirs_is_under_way(stage: str) -> None:
    scenes.driver("ravi")
    if stage == "queued":
        scenes.admitted("asha")
    else:
        order_id = scenes.placed("asha").order_id
        if stage == "assigned":
            offers.accept("ravi", order_id)
    assert code(erase("customer", "asha")) == (409, "PERSON_ACTIVE")
    assert code(erase("driver", "ravi")) == (409, "PERSON_ACTIVE")
    assert noted() == []


def test_many_drivers_are_erased_together_and_those_at_work_are_named() -> None:
    for name in ("ravi", "mohan", "dev", "on-duty"):
        scenes.driver(name)
    offers.accept("dev", scenes.placed("asha").order_id)
    for name in ("ravi", "mohan", "dev"):
        drivers.set_available(name, False)
    command = [sys.executable, "-m", "tasks.erase_drivers", "olga", "asked for"]
    ids = "ravi\nmohan\n\ndev\non-duty\nunknown\n"
    done = subprocess.run(command, cwd=ROOT, input=ids, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.endswith("erased: 2 drivers\n")
    assert done.stderr.strip().endswith("offer: dev on-duty unknown")
    assert noted() == [("driver", name, "olga", "asked for") for name in ("mohan", "ravi")]
    with db.statements() as connection:
        kept = connection.exec_driver_sql("SELECT id FROM drivers WHERE name <> 'erased'").scalars()
        assert set(kept) == {"dev", "on-duty"}


@pytest.mark.parametrize("path", ["ops/people/ops/olga/erase", "ops/people/driver/a:b/erase"])
def test_only_customers_and_drivers_with_a_valid_id_can_be_erased(path: str) -> None:
    answer = Caller("ops", "olga").post(f"/{path}", {"reason": "asked for"})
    assert answer.status_code in (400, 404)
    assert noted() == []
