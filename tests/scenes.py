"""Small scenes that tests start from: a driver somewhere, an order of somebody."""

import time
from datetime import datetime
from typing import Any
from uuid import uuid4

from uuid_utils import uuid7

from models import live
from models.live import order_lock
from models.live.driver_index import Position
from web.schemas.bodies import NewOrder
from workers.drivers import locating, registering
from workers.orders import admitting, placing
from workers.orders.admitting import AdmissionRequest
from workers.orders.placing_sql import Outcome

NOIDA = (28.5355, 77.3910)


def now_ms() -> int:
    return int(time.time() * 1000)


def body(trucks: int = 1, vehicle: tuple[str, str] = ("TRUCK", "TATA_ACE"), **changes: Any) -> dict[str, Any]:
    """The contract's payload."""
    return {
        "pickup": {"latitude": NOIDA[0], "longitude": NOIDA[1], "address": "Noida"},
        "drop": {"latitude": 28.6139, "longitude": 77.2090, "address": "Delhi"},
        "distanceKm": 25,
        "vehicleRequirements": [
            {
                "vehicleType": vehicle[0],
                "vehicleSubtype": vehicle[1],
                "quantity": trucks,
                "pricePerTruck": 500,
            }
        ],
        "goodsType": "furniture",
        "cargoWeightKg": 800,
    } | changes


def driver(
    driver_id: str,
    km_north: float = 1.0,
    vehicle: tuple[str, str] = ("TRUCK", "TATA_ACE"),
    available: bool = True,
) -> str:
    """A registered driver so many km north of the usual pickup, heard just now."""
    registering.register(driver_id, driver_id.title(), "+911234567890", *vehicle, "DL 1 AB 1234")
    registering.set_available(driver_id, available)
    locating.refresh([driver_id], now_ms())
    locating.update(driver_id, Position(NOIDA[0] + km_north / 111.195, NOIDA[1], now_ms()), now_ms())
    return driver_id


def request(customer: str, key: str | None = None, **changes: Any) -> AdmissionRequest:
    """A request for an order, as the door makes it."""
    payload = NewOrder.model_validate(body(**changes)).payload()
    return AdmissionRequest(str(uuid7()), customer, key, b"fingerprint".hex(), payload, uuid4().hex, "nobody")


def admitted(customer: str, key: str | None = None, **changes: Any) -> str:
    """An admission that nobody has placed yet."""
    asked = request(customer, key, **changes)
    assert admitting.admit([asked])
    return asked.order_id


def locked(customer: str, token: str) -> bool:
    """Takes a customer's lock as an admission does, under this token; false if it is held."""
    return bool(live.commands().set(order_lock.key(customer), token, nx=True, ex=10))


def place(order_ids: list[str], now: datetime | None = None) -> list[Outcome]:
    """Places these admissions and releases their locks; nobody is notified."""
    outcomes, locks = placing.place(order_ids, now)
    locks.ensure_released()
    return outcomes


def placed(customer: str = "asha", **changes: Any) -> Outcome:
    """An order that has been placed, with its first wave."""
    (outcome,) = place([admitted(customer, **changes)])
    return outcome
