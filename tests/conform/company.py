"""Traffic around the generated requests: offers for the driver, room for the customer's next order."""

import threading
from http import HTTPStatus

import httpx

from models.tables.orders import TRUCK_REQUEST_STATES
from tests import scenes
from tests.system import Person

# An offer stands this long before the next one.
BEAT_SECONDS = 1.0
REGISTRATION = {"name": "Ravi", "phone": "+911234567890", "vehicleNumber": "DL 1 AB 1234"}
STEPS = TRUCK_REQUEST_STATES[TRUCK_REQUEST_STATES.index("assigned") + 1 :]


class Company(threading.Thread):
    """Once a beat: the driver ``name`` is on duty and is offered an order, the customer ``name`` is free
    to order. Every answer is held against the documents; ``problems`` tells what went wrong.
    """

    def __init__(self, url: str, name: str) -> None:
        super().__init__(name="company", daemon=True)
        self._driver, self._customer = Person(url, "driver", name), Person(url, "customer", name)
        self._mate = Person(url, "customer", f"{name}-mate")
        self._vehicle = {"vehicleType": "TRUCK", "vehicleSubtype": name}
        self._over = threading.Event()
        self.offered = 0
        self.problems: list[str] = []

    def run(self) -> None:
        try:
            while not self._over.wait(BEAT_SECONDS):
                self._free(self._customer)
                self._on_duty()
                self._free(self._mate)
                self._offer()
        except (AssertionError, httpx.HTTPError) as error:
            self.problems.append(f"company: {error!r}")

    def end(self) -> None:
        """Ends after the present beat."""
        self._over.set()
        self.join()

    def _free(self, customer: Person) -> None:
        order = customer.http.get("/orders/active").json()["data"]["order"]
        if order is None:
            return
        cancelled = customer.http.post(f"/orders/{order['id']}/cancel", json={})
        if cancelled.status_code != HTTPStatus.OK:
            self._finish_trip()

    def _on_duty(self) -> None:
        here = {"latitude": scenes.NOIDA[0], "longitude": scenes.NOIDA[1]}
        self._driver.http.put("/drivers/me", json=REGISTRATION | self._vehicle)
        self._driver.http.put("/drivers/me/availability", json={"available": True})
        self._driver.http.post("/drivers/me/locations", json={"locations": [here]})

    def _finish_trip(self) -> None:
        """A load cannot be called off: it is driven to its end."""
        trip = self._driver.http.get("/drivers/me").json().get("data", {}).get("currentTrip")
        for step in STEPS[STEPS.index(trip["status"]) + 1 :] if trip else ():
            if step in ("expired", "cancelled"):
                return
            self._driver.http.post(f"/trips/{trip['truckRequestId']}/status", json={"status": step})

    def _offer(self) -> None:
        vehicle = (self._vehicle["vehicleType"], self._vehicle["vehicleSubtype"])
        self.offered += self._mate.order(scenes.body(vehicle=vehicle)).status_code == HTTPStatus.CREATED
