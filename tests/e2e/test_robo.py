"""Orders with `X-Weelo-Test`: the whole story of each value, and nothing of it in production."""

import fcntl
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from models import db
from tests.conftest import ROOT, process_settings
from tests.e2e.frames import LAST_WAVE
from tests.scenes import NOIDA, body
from tests.system import Person, System, on_duty
from tests.system import hear as hear_within
from tests.system import until as until_within
from tools.robo.control import MOST_CREWS, Robots
from tools.robo.script import ALLOWED

DUE = text("UPDATE orders SET expires_at = now() WHERE id = :order_id")
LEFT = text("""
    SELECT count(*) FROM drivers d WHERE id LIKE 'robo-%' AND vehicle_subtype = :subtype AND (
        available OR EXISTS (SELECT FROM truck_requests WHERE driver_id = d.id AND status <> 'completed')
    )
""")
# Robo drivers begin as processes, on a machine with much other work.
hear, until = partial(hear_within, seconds=45), partial(until_within, seconds=45)
STEPS = ["en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed"]


class Scene:
    """A customer of a vehicle that nobody else drives."""

    def __init__(self, system: System, name: str) -> None:
        self.robots = Robots(system.logs)
        self.asha = Person(system.urls[0], "customer", name)
        # Until the robo drivers are on duty, on a machine with much other work.
        self.asha.http.timeout = httpx.Timeout(60)
        self._olga = Person(system.urls[1], "ops", "olga")
        self.vehicle = ("TRUCK", name)

    def order(self, script: str, trucks: int = 1) -> str:
        """The id of the new order, whose drivers were asked with the answer."""
        answer = self.asha.order(body(trucks, self.vehicle), X_Weelo_Test=script)
        assert answer.status_code == 201, answer.text
        data = answer.json()["data"]
        assert data["broadcastSummary"]["totalDriversNotified"] == (0 if script == "no-supply" else trucks)
        return str(data["order"]["id"])

    def refused(self, script: str, trucks: int = 1) -> str:
        """What is said of the header."""
        answer = self.asha.order(body(trucks, self.vehicle), X_Weelo_Test=script)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, "VALIDATION_ERROR")
        [detail] = error["details"]
        assert detail["field"] == "X-Weelo-Test"
        return str(detail["message"])

    def offers(self, order_id: str) -> Sequence[str]:
        """The states of the order's offers."""
        story = self._olga.http.get(f"/ops/orders/{order_id}").json()["data"]
        return sorted(offer["state"] for offer in story["offers"])

    def status(self, order_id: str) -> str:
        return str(self.asha.http.get(f"/orders/{order_id}").json()["data"]["order"]["status"])

    def cancel(self, order_id: str) -> None:
        assert self.asha.http.post(f"/orders/{order_id}/cancel", json={}).status_code == 200

    def gone(self) -> bool:
        return self.robots.pids() == []


@pytest.fixture
def scene(system: System, name: str) -> Iterator[Scene]:
    """Afterwards no robo driver of this vehicle is on duty or has a trip."""
    found = Scene(system, name)
    yield found
    until(found.gone, what="the robo drivers have not gone")
    with db.statements() as connection:
        assert connection.execute(LEFT, {"subtype": name}).scalar_one() == 0


def change(statement: Any, order_id: str) -> None:
    with db.transaction() as connection:
        connection.execute(statement, {"order_id": order_id})


def test_all_robo_drivers_decline_and_the_search_goes_on(scene: Scene) -> None:
    order_id = scene.order("decline-all", trucks=2)
    until(lambda: scene.offers(order_id) == ["declined", "declined"])
    assert scene.status(order_id) == "active"
    until(scene.gone)
    scene.cancel(order_id)


@pytest.mark.parametrize(
    "wrong", ["", "accept", "accept=5", "accept=56,drive=fast", "decline", "expire,expire"]
)
def test_a_wrong_value_is_refused_with_the_allowed_ones(scene: Scene, wrong: str) -> None:
    assert scene.refused(wrong) == f"must be one of: {ALLOWED}"


def test_there_are_no_robo_drivers_for_a_fleet(scene: Scene) -> None:
    assert scene.refused("accept=0,drive=fast", trucks=11) == "there are robo drivers for 10 trucks at most"


@pytest.mark.parametrize("script", ["no-supply", "decline-all", "expire"])
def test_what_another_driver_could_spoil_is_refused(scene: Scene, name: str, script: str) -> None:
    ravi = on_duty(scene.asha.url, name, km_north=40, vehicle=scene.vehicle)
    assert scene.refused(script).startswith(f"not while driver {name} can be asked within 50 km")
    ravi.http.put("/drivers/me/availability", json={"available": False})


@pytest.mark.long
def test_a_robo_driver_accepts_after_its_time_and_drives_to_the_end(scene: Scene) -> None:
    with scene.asha.socket() as socket:
        order_id = scene.order("Accept=1, drive=fast")
        assert hear(socket, "truck_confirmed")["data"]["driver"]["name"] == "Robo 1"
        steps = [hear(socket, "assignment_status_changed")["data"]["status"] for _ in STEPS]
    assert steps == STEPS
    assert scene.status(order_id) == "completed"


@pytest.mark.long
def test_each_truck_of_an_order_has_its_robo_driver(scene: Scene) -> None:
    order_id = scene.order("accept=0,drive=fast", trucks=10)
    until(lambda: scene.status(order_id) == "completed")
    trucks = scene.asha.http.get(f"/orders/{order_id}").json()["data"]["truckRequests"]
    assert len({truck["driver"]["id"] for truck in trucks}) == 10


@pytest.mark.long
def test_the_truck_is_given_back_and_searched_for_again(scene: Scene) -> None:
    with scene.asha.socket() as socket:
        order_id = scene.order("give-back")
        heard = [hear(socket, "assignment_status_changed")["data"]["status"] for _ in range(2)]
    assert heard == ["en_route_pickup", "searching"]
    until(scene.gone)
    assert (scene.status(order_id), scene.offers(order_id)) == ("active", ["given_back"])
    scene.cancel(order_id)


@pytest.mark.long
def test_nobody_is_asked_and_the_customer_hears_of_no_supply(scene: Scene) -> None:
    with scene.asha.socket() as socket:
        order_id = scene.order("no-supply")
        assert scene.gone()
        change(LAST_WAVE, order_id)
        assert hear(socket, "order_no_supply")["data"]["orderId"] == order_id
    scene.cancel(order_id)


@pytest.mark.long
def test_everybody_stays_silent_until_the_search_expires(scene: Scene) -> None:
    with scene.asha.socket() as socket:
        order_id = scene.order("expire", trucks=2)
        assert not scene.gone()
        assert scene.offers(order_id) == ["open", "open"]
        change(DUE, order_id)
        assert hear(socket, "order_expired")["data"]["orderId"] == order_id
    assert scene.offers(order_id) == ["expired", "expired"]


@pytest.mark.long
def test_a_repeat_of_the_key_and_a_refused_order_leave_nobody_on_duty(scene: Scene) -> None:
    order = body(vehicle=scene.vehicle)
    first = scene.asha.order(order, X_Weelo_Test="expire", X_Idempotency_Key="a")
    again = scene.asha.order(order, X_Weelo_Test="expire", X_Idempotency_Key="a")
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", first.json())
    other = scene.asha.order(order, X_Weelo_Test="expire", X_Idempotency_Key="b")
    assert other.json()["error"]["code"] == "ACTIVE_ORDER_EXISTS"
    until(lambda: len(scene.robots.pids()) == 1)
    order_id = first.json()["data"]["order"]["id"]
    assert scene.offers(order_id) == ["open"]
    scene.cancel(order_id)


@pytest.mark.long
def test_a_robo_driver_declines_what_is_not_its_order(scene: Scene, name: str) -> None:
    order_id = scene.order("expire")
    stranger = Person(scene.asha.url, "customer", f"{name}-b")
    theirs = stranger.order(body(vehicle=scene.vehicle)).json()["data"]["order"]["id"]
    until(lambda: scene.offers(theirs) == ["declined"])
    assert scene.offers(order_id) == ["open"]
    stranger.http.post(f"/orders/{theirs}/cancel", json={})
    scene.cancel(order_id)


@pytest.mark.long
def test_a_stop_sends_everybody_home_and_a_running_trip_to_its_end(scene: Scene, name: str) -> None:
    waiting = scene.order("expire")
    second = Person(scene.asha.url, "customer", f"{name}-b")
    second.http.timeout = scene.asha.http.timeout
    answer = second.order(body(vehicle=scene.vehicle), X_Weelo_Test="accept=0,drive=fast")
    driving = f"/orders/{answer.json()['data']['order']['id']}"
    until(lambda: second.http.get(driving).json()["data"]["order"]["status"] == "in_progress")
    scene.robots.stop(within=45)
    assert scene.gone()
    assert second.http.get(driving).json()["data"]["order"]["status"] == "completed"
    assert scene.offers(waiting) == ["withdrawn"]
    scene.cancel(waiting)


@pytest.mark.long
def test_without_its_web_process_a_crew_gets_no_order_and_leaves(scene: Scene) -> None:
    place = {"latitude": NOIDA[0], "longitude": NOIDA[1]}
    task = {"url": scene.asha.url, "script": "expire", "pickup": place, "drop": place}
    said = subprocess.run(
        [sys.executable, "-m", "tools.robo"],
        input=json.dumps(task | {"vehicles": [scene.vehicle]}) + "\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr
    assert [line.split()[-1] for line in said.stdout.splitlines()] == ["duty", "duty"]


@pytest.mark.long
def test_with_too_many_at_once_nothing_is_ordered(system: System, scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "robo").mkdir()
    with ExitStack() as taken, system.beside("full", DEMO_DIRECTORY=str(tmp_path)) as url:
        for number in range(MOST_CREWS):
            file = taken.enter_context((tmp_path / f"robo/{number}.pid").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        asha = Person(url, "customer", scene.asha.sub)
        answer = asha.order(body(vehicle=scene.vehicle), X_Weelo_Test="expire")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert f"{MOST_CREWS} orders have robo drivers now" in answer.json()["error"]["message"]
    assert scene.asha.http.get("/orders").json()["data"]["orders"] == []


@pytest.mark.long
def test_in_production_the_header_is_ignored(system: System, scene: Scene, name: str) -> None:
    secret = name * 3
    settings = {"APP_ENV": "production", "JWT_SECRET": secret, "FLOWER_BASIC_AUTH": f"ops:{name}"}
    with system.beside("strict", **settings) as url:
        with process_settings(JWT_SECRET=secret):
            asha = Person(url, "customer", name)
        answer = asha.order(body(vehicle=scene.vehicle), X_Weelo_Test="nonsense")
        assert answer.status_code == 201
        assert asha.order(body(vehicle=scene.vehicle), X_Weelo_Test="expire").status_code == 409
    assert scene.gone()
    scene.cancel(answer.json()["data"]["order"]["id"])
