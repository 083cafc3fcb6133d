"""Uses every route, frame and sweep of a running system once."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from tasks import sweeps
from tests.growth.filling import BIG
from tests.growth.measuring import Watch
from tests.scenes import body
from tests.system import Person, hear, on_duty
from web import create_app
from web.routes.paging import STATUSES
from web.socket.reader import DRIVER_ACTIONS

KIND = ("TRUCK", "KIND_1")
# Of no importance here: they read nothing that grows.
STATIC = ("/docs", "/asyncapi", "/openapi", "/console", "/health", "/api/v1/ws")
API = "/api/v1"


class Use:
    """One round; ``number`` makes the names of its people new."""

    def __init__(self, urls: list[str], number: int, watch: Watch) -> None:
        self._urls, self._number, self._watch = urls, number, watch
        self._rules = create_app().url_map.bind("localhost")
        self._used: set[str] = set()
        self._frames: set[str] = set()

    def everything(self) -> None:
        drivers = [on_duty(self._urls[0], f"user-{self._number}-{n}", n / 100, KIND) for n in range(3)]
        for driver in drivers:
            self._about_a_driver(driver)
        self._orders(drivers)
        self._lists()
        self._operators()
        for name, sweep in sweeps.EACH_SECOND.items():
            self._timed(f"sweep {name}", sweep)
        for task in (sweeps.forget, sweeps.sample, sweeps.cleanup):
            self._timed(f"sweep {task.name}", task)
        # Beat's own run in the meantime.
        time.sleep(2)
        self._check()

    def _about_a_driver(self, driver: Person) -> None:
        registration = {"name": "Ravi", "phone": "+911234567890", "vehicleNumber": "DL 1"}
        kind = {"vehicleType": KIND[0], "vehicleSubtype": KIND[1]}
        self.call(driver, "PUT", "/drivers/me", json=registration | kind)
        self.call(driver, "PUT", "/drivers/me/availability", json={"available": True})
        here = {"latitude": 28.5355, "longitude": 77.391}
        self.call(driver, "POST", "/drivers/me/locations", json={"locations": [here]})
        for path in ("/drivers/me", "/drivers/me/broadcasts"):
            self.call(driver, "GET", path)

    def _orders(self, drivers: list[Person]) -> None:
        one, two, three = drivers
        first, second = self._order("a", 2), None
        with one.socket() as socket, three.socket() as third:
            hear(socket, "connected")
            for kind in ("heartbeat", "broadcast_ack"):
                self._say(socket, kind, {"id": 1} if kind == "broadcast_ack" else {})
            self._say(socket, "update_location", {"latitude": 28.5356, "longitude": 77.391})
            self._say(socket, "accept_broadcast", {"orderId": first})
            truck = hear(socket, "accept_confirmation")["data"]["truckRequestId"]
            self._say(third, "decline_broadcast", {"orderId": first})
            self._say(socket, "update_trip_status", {"truckRequestId": truck, "status": "en_route_pickup"})
            hear(socket, "trip_confirmation")
            self._say(socket, "cancel_trip", {"truckRequestId": truck, "reason": "flat tyre"})
            hear(socket, "trip_confirmation")
        won = self.call(two, "POST", f"/orders/{first}/accept", json={}).json()["data"]["truckRequestId"]
        self.call(two, "GET", "/drivers/me")
        self.call(two, "POST", f"/trips/{won}/status", json={"status": "en_route_pickup"})
        self.call(
            two, "POST", "/drivers/me/locations", json={"locations": [{"latitude": 28.5, "longitude": 77}]}
        )
        self.call(two, "GET", f"/trips/{won}/track")
        self.call(two, "POST", f"/trips/{won}/cancel", json={"reason": "rain"})
        second = self._order("b", 1)
        self.call(three, "POST", f"/orders/{second}/decline", json={})
        with self._customer("b").socket() as socket:
            hear(socket, "connected")
            self._say(socket, "heartbeat", {})
        for path in (f"/orders/{second}", f"/orders/{second}/events", "/orders/active"):
            self.call(self._customer("b"), "GET", path)
        self.call(self._customer("b"), "POST", f"/orders/{second}/cancel", json={"reason": "rain"})

    def _customer(self, name: str) -> Person:
        return Person(self._urls[0], "customer", f"user-{self._number}-{name}")

    def _order(self, name: str, trucks: int) -> str:
        customer = self._customer(name)
        keyed = {"headers": {"Idempotency-Key": f"key-{self._number}"}}
        wanted = body(trucks, KIND)
        for _ in range(2):
            answer = self.call(customer, "POST", "/orders", json=wanted, **keyed)
        return str(answer.json()["data"]["order"]["id"])

    def _lists(self) -> None:
        big, searching = (
            Person(self._urls[0], "customer", customer) for customer in (BIG, "grown-searching-1")
        )
        for customer in (big, searching):
            self.call(customer, "GET", "/orders/active")
            for status in (None, *STATUSES):
                self._pages(customer, "/orders", status)
        mine = self.call(big, "GET", "/orders").json()["data"]["orders"]
        placed = next(order["id"] for order in mine if order["status"] != "rejected")
        self.call(big, "GET", f"/orders/{placed}")
        self.call(big, "GET", f"/orders/{placed}/events")

    def _pages(self, person: Person, path: str, status: str | None) -> None:
        asked = f"{path}?limit=100" + (f"&status={status}" if status else "")
        page = self.call(person, "GET", asked).json()["data"]
        if cursor := page["nextCursor"]:
            self.call(person, "GET", f"{asked}&cursor={cursor}")

    def _operators(self) -> None:
        olga = Person(self._urls[1], "ops", "olga")
        for status in (None, *STATUSES):
            self._pages(olga, "/ops/orders", status)
        active = self.call(olga, "GET", "/ops/orders?status=active&limit=100").json()["data"]["orders"]
        for order in active[:2]:
            self.call(olga, "GET", f"/ops/orders/{order['id']}")
        looks = ("q=Delhi", "q=" + active[0]["id"][-6:], f"q={BIG}", "q=grown-1", "vehicle=KIND_1", "q=DL 1")
        for look in (*looks, "driverId=grown-1", "q=nobody&status=completed"):
            self.call(olga, "GET", f"/ops/orders?{look}")
        for look in ("", "?q=Grown 19", "?state=busy", "?state=silent", "/grown-1"):
            self.call(olga, "GET", f"/ops/drivers{look}")
        for look in ("?stuckMinutes=30", "/standing?minutes=15"):
            self.call(olga, "GET", f"/ops/trips{look}")
        order_id = active[-1]["id"]
        self.call(olga, "GET", f"/ops/orders/{order_id}/nearby")
        self._acts(olga)
        self.call(olga, "POST", f"/ops/orders/{order_id}/rebroadcast", json={})
        self.call(olga, "POST", f"/ops/orders/{order_id}/expire", json={})
        for _ in range(3):
            self.call(olga, "GET", "/ops/overview")
            self.call(olga, "GET", "/ops/hour")
            for path in ("/metrics", "/ready"):
                self._used.add(path)
                self._timed(f"GET {path}", partial(httpx.get, self._urls[1] + path, timeout=20))
            # Figures are kept for a while, and a console asks every second.
            time.sleep(1.1)

    def _acts(self, olga: Person) -> None:
        why = {"reason": "phone dead"}
        trips = self.call(olga, "GET", "/ops/trips?limit=4").json()["data"]["trips"]
        for trip, deed in zip(trips, ("complete", "close", "take-off"), strict=False):
            self.call(olga, "POST", f"/ops/trips/{trip['truckRequestId']}/{deed}", json=why)
        last = trips[-1]
        truck = self.call(olga, "GET", f"/ops/orders/{last['orderId']}").json()["data"]["truckRequests"][0]
        vehicle = (truck["vehicleType"], truck["vehicleSubtype"])
        new = on_duty(self._urls[0], f"user-{self._number}-new", 1, vehicle)
        path = f"/ops/trips/{last['truckRequestId']}/hand-over"
        self.call(olga, "POST", path, json=why | {"driverId": new.sub})
        self.call(olga, "POST", f"/ops/drivers/{new.sub}/off-duty", json=why)
        order_id = self._order("acted-on", 1)
        for deed in ("extend", "cancel"):
            self.call(olga, "POST", f"/ops/orders/{order_id}/{deed}", json=why)
        gone = on_duty(self._urls[0], f"user-{self._number}-gone", 1, ("TRUCK", "NOBODYS"))
        self.call(olga, "POST", f"/ops/drivers/{gone.sub}/off-duty", json=why)
        for role in ("driver", "customer"):
            self.call(olga, "POST", f"/ops/people/{role}/{gone.sub}/erase", json=why)

    def call(self, person: Person, method: str, path: str, **options: Any) -> httpx.Response:
        rule, _ = self._rules.match(API + path.partition("?")[0], method, return_rule=True)
        self._used.add(f"{method} {rule.rule}")
        # Holding an answer against the documents takes longer than making it.
        person.http.event_hooks = {}
        with self._watch.timed(f"{method} {rule.rule.removeprefix(API)}"):
            answer = person.http.request(method, path, **options)
        assert answer.status_code < 400, (method, path, answer.text)
        return answer

    def _say(self, socket: Any, kind: str, data: dict[str, Any]) -> None:
        self._frames.add(kind)
        socket.send(json.dumps({"type": kind, "data": data}))

    def _timed(self, name: str, do: Callable[[], object]) -> None:
        with self._watch.timed(name):
            do()

    def _check(self) -> None:
        """Nothing that the application serves was left out."""
        assert set(DRIVER_ACTIONS) == self._frames, set(DRIVER_ACTIONS) ^ self._frames
        rules = create_app().url_map.iter_rules()
        wanted = {
            f"{method} {rule.rule}"
            for rule in rules
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
            if rule.rule.startswith(API) and not rule.rule.startswith(STATIC)
        }
        assert wanted <= self._used, wanted - self._used


def use_everything(urls: list[str], number: int, watch: Watch) -> None:
    """One round of use by new people. Raises ``AssertionError`` if a route or frame was left out."""
    Use(urls, number, watch).everything()
