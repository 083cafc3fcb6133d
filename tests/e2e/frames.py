"""A short day in which the system sends each type of frame to a driver or a customer."""

import json
from contextlib import ExitStack
from typing import Any

from sqlalchemy import text
from websockets.sync.client import ClientConnection

from models import db
from tests import scenes
from tests.system import Person, System, hear, on_duty

# Waves are 10 s apart, and only the last of them says that nobody is in reach.
LAST_WAVE = text("UPDATE orders SET wave = 4, next_wave_at = now() WHERE id = :order_id")
REASON = {"reason": "They called."}
FAR_AWAY = {"latitude": -60.0, "longitude": 170.0, "address": "far away"}


class Frames:
    """Plays the day; ``found`` has the frames by direction, role and type."""

    def __init__(self, system: System, name: str) -> None:
        self.found: dict[str, Any] = {}
        self._system, self._name, self._kind = system, name, ("TRUCK", name)

    def play(self, sockets: ExitStack) -> None:
        url, name = self._system.urls[0], self._name
        drivers = [on_duty(url, f"{name}-{number}", number, self._kind) for number in (1, 2)]
        asha, operator = Person(url, "customer", name), Person(url, "ops", "olga")
        first, second, customer = (sockets.enter_context(person.socket()) for person in (*drivers, asha))
        for socket, role in ((first, "driver"), (customer, "customer")):
            self._hear(socket, role, "connected")
        socket_error = {"type": "nonsense"}
        self._partly_filled(asha, operator, first, second, customer)
        self._tracked(drivers[0], first, customer)
        for socket, role in ((first, "driver"), (customer, "customer")):
            socket.send(json.dumps(socket_error))
            self._hear(socket, role, "error")
        self._taken(url, drivers, first, second)
        self._ended(url, operator, first)

    def _partly_filled(
        self, asha: Person, operator: Person, first: ClientConnection, second: ClientConnection, customer: Any
    ) -> None:
        """One of two trucks is accepted; then an operator ends the search."""
        order = asha.order(scenes.body(2, self._kind)).json()["data"]["order"]["id"]
        self._hear(first, "driver", "new_broadcast")
        hear(second, "new_broadcast")
        first.send(json.dumps({"type": "accept_broadcast", "data": {"orderId": order}}))
        confirmed = self._hear(first, "driver", "accept_confirmation")
        self._truck = confirmed["truckRequestId"]
        self._hear(first, "driver", "trip_assigned")
        self._hear(customer, "customer", "truck_confirmed")
        self._hear(second, "driver", "trucks_remaining_update")
        self._hear(customer, "customer", "trucks_remaining_update")
        operator.http.post(f"/ops/orders/{order}/expire", json={})
        self._hear(customer, "customer", "broadcast_expired")
        self._hear(second, "driver", "request_no_longer_available")

    def _tracked(self, driver: Person, socket: ClientConnection, customer: ClientConnection) -> None:
        step = {"truckRequestId": self._truck, "status": "en_route_pickup"}
        socket.send(json.dumps({"type": "update_trip_status", "data": step}))
        self._hear(socket, "driver", "trip_confirmation")
        self._hear(customer, "customer", "assignment_status_changed")
        here = {"latitude": scenes.NOIDA[0] + 0.008, "longitude": scenes.NOIDA[1]}
        driver.http.post("/drivers/me/locations", json={"locations": [here]})
        self._hear(customer, "customer", "location_updated")

    def _taken(
        self, url: str, drivers: list[Person], first: ClientConnection, second: ClientConnection
    ) -> None:
        """The first driver is free again and loses the next order to the second."""
        steps = ("at_pickup", "in_transit", "arrived_at_drop", "completed")
        for status in steps:
            drivers[0].http.post(f"/trips/{self._truck}/status", json={"status": status})
        beena = Person(url, "customer", f"{self._name}-b")
        order = beena.order(scenes.body(1, self._kind)).json()["data"]["order"]["id"]
        hear(first, "new_broadcast")
        won = drivers[1].http.post(f"/orders/{order}/accept", json={}).json()["data"]
        self._hear(first, "driver", "request_no_longer_available")
        drivers[1].http.post(f"/trips/{won['truckRequestId']}/cancel", json={"reason": "A tyre is flat."})
        hear(first, "new_broadcast")
        beena.http.post(f"/orders/{order}/cancel", json={"reason": "The load is not ready."})
        self._hear(first, "driver", "order_cancelled")

    def _ended(self, url: str, operator: Person, first: ClientConnection) -> None:
        """Nobody takes an order, and nobody is in reach of another; an operator ends both searches."""
        dinesh = Person(url, "customer", f"{self._name}-d")
        left = dinesh.order(scenes.body(1, self._kind)).json()["data"]["order"]["id"]
        hear(first, "new_broadcast")
        operator.http.post(f"/ops/orders/{left}/extend", json=REASON)
        self._hear(first, "driver", "search_extended")
        operator.http.post(f"/ops/orders/{left}/expire", json={})
        self._hear(first, "driver", "order_expired")
        chandra = Person(url, "customer", f"{self._name}-c")
        with chandra.socket() as customer:
            order = chandra.order(scenes.body(1, self._kind, pickup=FAR_AWAY)).json()["data"]["order"]["id"]
            with db.transaction() as connection:
                connection.execute(LAST_WAVE, {"order_id": order})
            self._hear(customer, "customer", "order_no_supply")
            operator.http.post(f"/ops/orders/{order}/extend", json=REASON)
            self._hear(customer, "customer", "search_extended")
            operator.http.post(f"/ops/orders/{order}/expire", json={})
            self._hear(customer, "customer", "order_expired")
            order = chandra.order(scenes.body(1, self._kind, pickup=FAR_AWAY)).json()["data"]["order"]["id"]
            operator.http.post(f"/ops/orders/{order}/cancel", json=REASON)
            self._hear(customer, "customer", "order_cancelled")
        operator.http.post(f"/ops/drivers/{self._name}-1/off-duty", json=REASON)
        self._hear(first, "driver", "availability_changed")

    def _hear(self, socket: ClientConnection, role: str, kind: str) -> Any:
        """What a frame of this type says; those that arrive before it are taken too."""
        while f"to_{role}.{kind}" not in self.found:
            frame = json.loads(socket.recv(timeout=10))
            self.found.setdefault(f"to_{role}.{frame['type']}", frame)
        return self.found[f"to_{role}.{kind}"]["data"]
