"""Phones in the field: late, wrong by a minute, with receivers that know nothing, in every script."""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.live import driver_index
from models.messages import iso
from tests import scenes
from tests.e2e.test_trips import order, say
from tests.system import Person, System, hear, on_duty, silence, until

Points = list[dict[str, Any]]


def at(seconds: float, step: int = 0, **more: Any) -> dict[str, Any]:
    """A position of so many seconds ago."""
    moment = iso(datetime.now(UTC) - timedelta(seconds=seconds))
    return {"latitude": 28.5 + step / 1e4, "longitude": 77.4, "at": moment} | more


def test_one_row_of_a_wrong_clock_costs_no_other(system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    rows = [
        at(-number / 50, number, speed=-1, heading=-1, accuracy=12.5, altitude=210) for number in range(50)
    ]
    rows[20] = at(-300)
    sent = driver.http.post("/drivers/me/locations", json={"locations": rows})
    assert sent.status_code == 200, sent.text
    data = sent.json()["data"]
    assert (data["received"], data["live"]) == (49, 49)
    (refused,) = data["refused"]
    assert (refused["row"], refused["field"]) == (20, "locations.20.at")
    assert "60 s" in refused["message"]
    last = driver.http.get("/drivers/me").json()["data"]["driver"]["lastPosition"]
    assert last["latitude"] == pytest.approx(28.5 + 49 / 1e4)


def test_a_batch_of_nothing_right_is_refused_and_moves_nobody(system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    before = driver_index.last_position(name)
    sent = driver.http.post(
        "/drivers/me/locations", json={"locations": [at(-300), {"latitude": 0, "longitude": 0}]}
    )
    assert sent.status_code == 400
    fields = [row["field"] for row in sent.json()["error"]["details"]]
    assert fields == ["locations.0.at", "locations.1"]
    assert driver_index.last_position(name) == before


def test_a_wrong_position_on_a_socket_is_an_error_and_no_close(system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    with driver.socket() as drives:
        hear(drives, "connected")
        for wrong in (at(-300), {"latitude": 77.39, "longitude": 281.0}, {"latitude": 0.0, "longitude": 0.0}):
            say(drives, "update_location", **wrong)
            assert hear(drives, "error")["data"]["code"] == "VALIDATION_ERROR"
        say(drives, "update_location", **at(0, 7, speed=-1, heading=-1, accuracy=5, altitude=None))
        position = until(lambda: _moved_to(name, 28.5 + 7 / 1e4))
        assert position
        assert not [frame for frame in silence(drives, 0.5) if frame["type"] == "error"]


def _moved_to(driver: str, latitude: float) -> bool:
    position = driver_index.last_position(driver)
    return position is not None and position.latitude == pytest.approx(latitude)


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "newest first"])
def test_the_customer_gets_the_newest_position_of_a_batch(system: System, name: str, turned: bool) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    asha = Person(system.urls[1], "customer", name)
    with asha.socket() as hears:
        order_id = order(asha, name)
        assert driver.http.post(f"/orders/{order_id}/accept", json={}).status_code == 200
        hear(hears, "truck_confirmed")
        batch = [at(-number / 10, number) for number in range(10)]
        batch = batch[::-1] if turned else batch
        sent = driver.http.post("/drivers/me/locations", json={"locations": batch})
        assert sent.json()["data"]["live"] == 10
        told = hear(hears, "location_updated")["data"]
        assert told["latitude"] == pytest.approx(28.5 + 9 / 1e4)
        assert not [frame for frame in silence(hears, 0.5) if frame["type"] == "location_updated"]


def test_the_hours_before_an_accept_are_not_in_the_customers_track(system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    asha = Person(system.urls[1], "customer", name)
    order_id = order(asha, name)
    won = driver.http.post(f"/orders/{order_id}/accept", json={}).json()["data"]
    truck, assigned = won["truckRequestId"], won["trip"]["assignedAt"]
    # As many as go into one batch: three hours, and one since, by a clock that is ahead.
    hours = [at(3 * 3600 - number * 109, number) for number in range(99)]
    driver.http.post("/drivers/me/locations", json={"locations": [*hours, at(-50, 99)]})
    found: Points = until(lambda: _track(asha, truck), 12, "no track")
    assert [point for point in found if point["at"] < assigned] == []
    assert round((found[-1]["latitude"] - 28.5) * 1e4) == 99


def _track(asha: Person, truck: str) -> Points:
    points: Points = asha.http.get(f"/trips/{truck}/track").json()["data"]["points"]
    return points


def test_a_truck_is_found_in_whichever_form_and_case_it_was_typed(system: System, name: str) -> None:
    vehicle = f"Caf\u00e9 ট্রাক {name}"
    driver = on_duty(system.urls[0], name, vehicle=(unicodedata.normalize("NFD", vehicle), "ट्रक"))
    asha = Person(system.urls[1], "customer", name)
    body = scenes.body(vehicle=(vehicle.upper(), "ट्रक"))
    assert asha.order(body).json()["data"]["broadcastSummary"]["totalDriversNotified"] == 1
    offers = driver.http.get("/drivers/me/broadcasts").json()["data"]["broadcasts"]
    assert offers[0]["vehicleType"] == vehicle.upper()


def test_a_phone_number_with_brackets_is_answered_as_its_digits(system: System, name: str) -> None:
    driver = Person(system.urls[0], "driver", name)
    person = {
        "name": "रवि",
        "phone": "(+91)\u00a098765\u201143210",
        "vehicleType": "TRUCK",
        "vehicleSubtype": name,
        "vehicleNumber": "दिल्ली १ AB",
    }
    answer = driver.http.put("/drivers/me", json=person).json()["data"]["driver"]
    assert (answer["phone"], answer["name"]) == ("+919876543210", "रवि")
