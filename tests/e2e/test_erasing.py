"""An erasure through the running system: done when it is answered, and no log has ever had the person."""

from tests import scenes
from tests.conftest import Stores
from tests.system import Person, System, hear, on_duty


def test_what_was_known_of_a_person_is_in_no_log_and_erased_when_it_is_answered(
    system: System, stores: Stores, name: str
) -> None:
    url, vehicle = system.urls[0], ("TRUCK", name.upper())
    house, words = f"house of {name}x", f"words of {name}x"
    driver = on_duty(url, f"d-{name}", vehicle=vehicle)
    customer, operator = Person(url, "customer", f"c-{name}"), Person(url, "ops", "olga")
    registration = {
        "name": f"name of {name}x",
        "phone": "+919811223344",
        "vehicleType": vehicle[0],
        "vehicleSubtype": vehicle[1],
        "vehicleNumber": f"plate of {name}x",
    }
    assert driver.http.put("/drivers/me", json=registration).status_code == 200
    home, here = (28.53571234, 77.39125678), (28.53579876, 77.39129876)
    place = {"latitude": home[0], "longitude": home[1], "address": house}
    position = {"latitude": here[0], "longitude": here[1]}
    assert driver.http.post("/drivers/me/locations", json={"locations": [position]}).status_code == 200
    order_id = customer.order(scenes.body(vehicle=vehicle, pickup=place)).json()["data"]["order"]["id"]
    with driver.socket() as socket:
        hear(socket, "new_broadcast")
    asked = {"reason": "asked for"}
    erase = f"/ops/people/customer/{customer.sub}/erase", f"/ops/people/driver/{driver.sub}/erase"
    assert [operator.http.post(path, json=asked).status_code for path in erase] == [409, 409]
    assert customer.http.post(f"/orders/{order_id}/cancel", json={"reason": words}).status_code == 200
    assert driver.http.put("/drivers/me/availability", json={"available": False}).status_code == 200
    assert [operator.http.post(path, json=asked).status_code for path in erase] == [200, 200]
    seen = operator.http.get(f"/ops/orders/{order_id}").json()["data"]
    assert seen["order"]["pickup"]["address"] == "erased"
    assert driver.http.get("/drivers/me").json()["data"]["driver"]["name"] == "erased"
    files = [*system.logs.glob("*.log"), stores.postgres.log, stores.valkey.log]
    logs = "".join(path.read_text(errors="replace") for path in files)
    assert "person erased" in logs
    for text in (f"{name}x", "+919811223344", *map(str, (*home, *here))):
        assert text not in logs
