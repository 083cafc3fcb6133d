"""Operators see why nobody takes an order: who is near, and why they would be left out."""

from typing import Any

import pytest

from models import db
from models.live import driver_index
from models.live.driver_index import Position
from tasks import offers
from tests import scenes
from tests.clients import Caller, code
from workers.drivers import locating
from workers.offers import accepting
from workers.reading import nearby as nearby_now

pytestmark = pytest.mark.usefixtures("aside")


def nearby(order_id: str) -> dict[str, Any]:
    answer = Caller("ops", "olga").get(f"/ops/orders/{order_id}/nearby")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json["data"]["nearbyNow"]  # type: ignore[index]
    return found


def saved(driver: str, km_north: float = 1.0) -> None:
    """Their position is in Postgres too."""
    here = (scenes.NOIDA[0] + km_north / 111.195, scenes.NOIDA[1])
    locating.save({driver: Position(*here, scenes.now_ms())})


def test_a_misspelt_vehicle_is_seen_at_once() -> None:
    for number in range(3):
        scenes.driver(f"d{number}", 1 + number)
    scenes.driver("far", 29)
    order_id = scenes.placed("asha", vehicle=("TRUCK", "TATA_ACEE")).order_id
    seen = nearby(order_id)
    assert seen["summary"] == "0 drivers drive TRUCK/TATA_ACEE; 3 TRUCK/TATA_ACE within 5 km"
    assert seen["otherVehicles"] == [{"vehicle": "TRUCK/TATA_ACE", "within5Km": 3, "within50Km": 4}]
    assert [wave["leftOut"]["otherVehicle"] for wave in seen["waves"]] == [3, 3, 3, 4, 4]


def test_each_driver_in_reach_is_counted_by_why_they_are_left_out() -> None:
    scenes.driver("busy")
    offers.accept("busy", scenes.placed("bina").order_id)
    scenes.driver("off", available=False)
    scenes.driver("quiet")
    scenes.driver("declined")
    order_id = scenes.placed("asha", trucks=1).order_id
    accepting.decline("declined", order_id)
    scenes.driver("free", 7)
    for driver in ("busy", "off", "quiet"):
        saved(driver)
    seen = nearby(order_id)
    near, _, _, _, widest = seen["waves"]
    # Who was asked in the first wave and has not answered is asked already, like who declined.
    assert near == {
        "wave": 1,
        "radiusKm": 5,
        "free": 0,
        "leftOut": {"otherVehicle": 0, "busy": 1, "silent": 0, "offDuty": 1, "askedAlready": 2},
    }
    assert (widest["free"], seen["missing"][0]["drivers"]) == (1, 5)
    driver_index.sweep(scenes.now_ms() + 1)
    # All have fallen silent.
    assert nearby(order_id)["waves"][0]["leftOut"]["silent"] == 1


def test_beside_more_free_drivers_than_are_looked_at_nobody_counts_as_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nearby_now, "MOST_DRIVERS", 3)
    monkeypatch.setattr(nearby_now, "MOST_OTHERS", 2)
    for number in range(5):
        saved(scenes.driver(f"a{number}", 9 - number), 9 - number)
        scenes.driver(f"b{number}", 1, vehicle=("TRUCK", "OTHER"))
    order_id = scenes.placed("asha", vehicle=("TRUCK", "NOBODYS")).order_id
    with db.statements() as connection:
        connection.exec_driver_sql(
            "UPDATE truck_requests SET vehicle_subtype = 'TATA_ACE', vehicle = 'truck:tata_ace'"
        )
    seen = nearby(order_id)
    widest = seen["waves"][-1]
    assert (widest["free"], widest["leftOut"]["silent"]) == (3, 0)
    assert seen["otherVehicles"] == [{"vehicle": "TRUCK/OTHER", "within5Km": 2, "within50Km": 2}]


def test_of_an_order_that_misses_no_truck_there_is_nothing_to_explain() -> None:
    scenes.driver("ravi")
    order_id = scenes.placed("asha").order_id
    offers.accept("ravi", order_id)
    assert nearby(order_id) == {"summary": "", "missing": [], "waves": [], "otherVehicles": []}
    assert code(Caller("ops", "olga").get("/ops/orders/none/nearby")) == (404, "ORDER_NOT_FOUND")
