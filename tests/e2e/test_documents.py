"""Every example of the documents, sent as it is shown; every answer held against what is documented."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from models.messages import iso
from tests import documents, recording, scenes
from tests.e2e.frames import Frames
from tests.system import Person, System, hear, on_duty
from tools.demo.control import Demo
from web import create_app
from web.documents import openapi
from workers.reading import hour

ROLES = ("customer", "driver", "ops")
JSON = "application/json"
# Opened by a client of its own below.
SOCKET = "/api/v1/ws"


@dataclass(frozen=True)
class Call:
    """One request as the document shows it."""

    method: str
    path: str
    said: documents.Document
    example: str
    body: Any
    status: int

    @property
    def operation(self) -> str:
        return str(self.said["operationId"])

    @property
    def roles(self) -> list[str]:
        return [role for scheme in self.said["security"] for role in scheme["token"]]


@dataclass
class Scene:
    """Who asks, what stands where the path has a name, and what finds their own rows among other tests'."""

    who: Person
    names: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


def _calls() -> Iterator[Call]:
    for path, methods in documents.of_http()["paths"].items():
        for method, said in methods.items():
            content = said.get("requestBody", {}).get("content", {}).get("application/json", {})
            examples = content.get("examples", {"as it is": {"value": None, "x-answered-with": 200}})
            for name, example in examples.items():
                if path != SOCKET:
                    yield Call(method, path, said, name, example["value"], example["x-answered-with"])


CALLS = list(_calls())
PUBLIC = openapi.document(create_app())["paths"]
# One for each operation.
FIRST = list({call.operation: call for call in reversed(CALLS)}.values())


def shown(those: Iterable[Call]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "call", [pytest.param(call, id=f"{call.operation}-{call.example}") for call in those]
    )


def searching(system: System, name: str, subtype: str = "") -> Scene:
    asha = Person(system.urls[0], "customer", name)
    far_away = {"latitude": -60.0, "longitude": 170.0, "address": "far away"}
    return Scene(
        asha,
        {
            "orderId": asha.order(scenes.body(vehicle=("TRUCK", subtype or name), pickup=far_away)).json()[
                "data"
            ]["order"]["id"]
        },
    )


def overseen(system: System, name: str) -> Scene:
    """An operator, somebody's search and a free driver."""
    on_call(system, name)
    return seen_by_operator(system, name)


def with_an_hour(system: System, name: str) -> Scene:
    hour.sample()
    return Scene(Person(system.urls[0], "ops", name))


def found_by_operator(system: System, name: str) -> Scene:
    """The example of the filter names this vehicle."""
    return Scene(Person(system.urls[0], "ops", "olga"), searching(system, name, "TATA_ACE").names)


def seen_by_operator(system: System, name: str) -> Scene:
    return Scene(Person(system.urls[0], "ops", "olga"), searching(system, name).names)


def operating(system: System, name: str) -> Scene:
    """An operator, a driver, and their trip."""
    trip = on_trip(system, name)
    return Scene(Person(system.urls[0], "ops", name), trip.names | {"driverId": name})


def driver_found(system: System, name: str) -> Scene:
    return replace(operating(system, name), query={"q": name})


def on_call(system: System, name: str) -> Scene:
    return Scene(on_duty(system.urls[0], name, vehicle=("TRUCK", name)))


def offered(system: System, name: str) -> Scene:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    asha = Person(system.urls[0], "customer", name)
    order = asha.order(scenes.body(vehicle=("TRUCK", name))).json()["data"]["order"]
    return Scene(driver, {"orderId": order["id"]})


def on_trip(system: System, name: str) -> Scene:
    scene = offered(system, name)
    won = scene.who.http.post(f"/orders/{scene.names['orderId']}/accept", json={}).json()["data"]
    return Scene(scene.who, {"truckRequestId": won["truckRequestId"]})


def handed_over(system: System, name: str) -> Scene:
    on_duty(system.urls[0], "driver-7", vehicle=("TRUCK", name))
    return operating(system, name)


def anybody(system: System, name: str) -> Scene:
    return Scene(Person(system.urls[0], "customer", name), {"name": "swagger-ui.css", "asset": "console.css"})


def off_duty(system: System, name: str) -> Scene:
    """An operator, and a driver and a customer who do nothing."""
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    driver.http.put("/drivers/me/availability", json={"available": False})
    return Scene(Person(system.urls[0], "ops", name), {"driverId": name, "customer": name})


def anybody_of_ops(system: System, name: str) -> Scene:
    return Scene(Person(system.urls[0], "ops", name))


def nobodys(name: str) -> dict[str, str]:
    ids = {"orderId": str(uuid4()), "truckRequestId": str(uuid4())}
    return ids | {"driverId": f"no-{name}", "customer": name}


SCENES: dict[str, Callable[[System, str], Scene]] = {
    "orders_create": anybody,
    "orders_accept": offered,
    "orders_decline": offered,
    "drivers_trip_status": on_trip,
    "drivers_trip_cancel": on_trip,
    "drivers_trip_track": on_trip,
    "orders": searching,
    "drivers": on_call,
    "ops": seen_by_operator,
    "ops_overview": overseen,
    "ops_last_hour": with_an_hour,
    "ops_index": found_by_operator,
    "operating": operating,
    "operating_cancel_order": seen_by_operator,
    "operating_extend_search": seen_by_operator,
    "operating_nearby_now": seen_by_operator,
    "operating_find_drivers": driver_found,
    "operating_hand_over": handed_over,
    "people": off_duty,
    "city": anybody_of_ops,
    "watched": off_duty,
}
# People who have no row yet may be watched.
WATCHED = "/console/watched/"


def record(config: pytest.Config) -> bool:
    return bool(config.getoption("--record-examples"))


def scene_of(call: Call, system: System, name: str) -> Scene:
    begin = call.operation.partition("_")[0]
    return SCENES.get(call.operation, SCENES.get(begin, anybody))(system, name)


def send(call: Call, scene: Scene, client: httpx.Client | None = None, **changes: Any) -> httpx.Response:
    examples = [parameter for parameter in call.said.get("parameters", []) if "example" in parameter]
    by_place = {
        place: {parameter["name"]: parameter["example"] for parameter in examples if parameter["in"] == place}
        for place in ("query", "header")
    }
    address = scene.who.url + call.path.format(**scene.names)
    options: dict[str, Any] = {
        "json": _of_today(call.body),
        "params": by_place["query"] | scene.query,
        "headers": by_place["header"],
    }
    sent = (client or scene.who.http).request(call.method, address, **(options | changes))
    body = sent.json() if sent.headers["Content-Type"] == "application/json" else None
    documents.check(call.method, call.path, sent.status_code, sent.headers, body)
    return sent


def _of_today(body: Any) -> Any:
    """A document cannot know when it is read, and a position older than 7 days is refused."""
    for position in (body or {}).get("locations", []):
        if "at" in position:
            position["at"] = iso(datetime.now(UTC))
    return body


@shown(CALLS)
def test_every_example_is_answered_as_documented(
    system: System, name: str, call: Call, pytestconfig: pytest.Config
) -> None:
    scene = scene_of(call, system, name)
    answer = send(call, scene)
    assert answer.status_code == call.status, answer.text
    if (
        call.path in PUBLIC
        and call in FIRST
        and "schema" in call.said["responses"][str(call.status)]["content"].get(JSON, {})
    ):
        recording.hold(f"{call.operation} {call.status}", answer.json(), name, record(pytestconfig))
    content = call.said["responses"][str(call.status)]["content"]
    assert answer.headers["Content-Type"].partition(";")[0] in content or "*/*" in content
    assert answer.headers["X-Request-ID"]
    # Nobody else's test must be offered this order, or this driver an order.
    if call.operation == "orders_create":
        order = answer.json()["data"]["order"]["id"]
        assert answer.headers["Location"] == f"/api/v1/orders/{order}"
        scene.who.http.post(f"/orders/{order}/cancel", json={})
    if scene.who.role == "driver":
        scene.who.http.put("/drivers/me/availability", json={"available": False})
    if call.operation == "city_change":
        assert Demo(system.logs).stop()


@shown(call for call in FIRST if call.roles)
def test_without_the_right_token_every_route_refuses_as_documented(
    system: System, name: str, call: Call
) -> None:
    unknown = nobodys(name)
    other = Person(system.urls[0], next((role for role in ROLES if role not in call.roles), "ops"), name)
    if other.role not in call.roles:
        assert send(call, Scene(other, unknown)).status_code == 403
    with httpx.Client() as nobody:
        assert send(call, Scene(other, unknown), nobody).status_code == 401


@shown(call for call in FIRST if call.body is not None)
def test_a_body_that_breaks_the_contract_is_refused_as_documented(
    system: System, name: str, call: Call
) -> None:
    scene = Scene(
        Person(system.urls[0], (*call.roles, "ops")[0], name),
        nobodys(name),
    )
    wrong = send(call, scene, json={"nonsense": 1})
    assert (wrong.status_code, wrong.json()["error"]["details"] != []) == (400, True)
    text: dict[str, Any] = {
        "json": None,
        "content": b"reason=rain",
        "headers": {"Content-Type": "text/plain"},
    }
    assert send(call, scene, **text).status_code == 415
    huge: dict[str, Any] = {
        "json": None,
        "content": b'"' + b"x" * 70_000 + b'"',
        "headers": {"Content-Type": "application/json"},
    }
    assert send(call, scene, **huge).status_code == 413
    chunked: dict[str, Any] = {
        "json": None,
        "content": iter([b'{"nonsense"', b": 1}"]),
        "headers": {"Content-Type": "application/json"},
    }
    assert send(call, scene, **chunked).status_code == 400
    packed: dict[str, Any] = {
        "json": None,
        "content": b"{}",
        "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    }
    assert send(call, scene, **packed).status_code == 415


@shown(call for call in FIRST if "Id}" in call.path and not call.path.startswith(WATCHED))
def test_what_does_not_exist_is_refused_as_documented(system: System, name: str, call: Call) -> None:
    person = Person(system.urls[0], call.roles[0], name)
    scene = Scene(
        person,
        nobodys(name),
    )
    assert send(call, scene).status_code == 404


@pytest.mark.parametrize("role", ["driver", "customer"])
def test_every_example_of_a_frame_is_taken(system: System, name: str, role: str) -> None:
    person = (
        on_duty(system.urls[0], name, vehicle=("TRUCK", name))
        if role == "driver"
        else Person(system.urls[0], role, name)
    )
    messages = documents.of_socket()["components"]["messages"]
    frames = [
        example["payload"]
        for key, sent in messages.items()
        if key.startswith(f"from_{role}.")
        for example in sent["examples"]
    ]
    assert len(frames) == (7 if role == "driver" else 2)
    with person.socket() as socket:
        hear(socket, "connected")
        for frame in frames:
            documents.check_frame(role, "from", frame)
            socket.send(json.dumps(frame))
        # Frames are done one after the other: the refusal of this last one comes after all others.
        socket.send(json.dumps({"type": "nonsense"}))
        refusals = [hear(socket, "error")["data"]["message"]]
        while "must be one of" not in refusals[-1]:
            refusals.append(hear(socket, "error")["data"]["message"])
    about_orders = ["This order was not offered to you."] if role == "driver" else []
    assert refusals[:-1] == about_orders


def test_the_socket_is_refused_as_documented(system: System, name: str) -> None:
    plain = Person(system.urls[0], "driver", name).http.get("/ws")
    assert (plain.status_code, plain.json()["error"]["code"]) == (426, "UPGRADE_REQUIRED")


def test_an_order_that_is_not_waited_for_is_answered_as_in_its_example(
    system: System, name: str, pytestconfig: pytest.Config
) -> None:
    asha = Person(system.urls[0], "customer", name)
    queued = asha.order(scenes.body(vehicle=("TRUCK", name)), Prefer="respond-async")
    assert queued.status_code == 202
    recording.hold("orders_create 202", queued.json(), name, record(pytestconfig))


def test_every_frame_to_a_person_is_as_in_its_example(
    system: System, name: str, pytestconfig: pytest.Config
) -> None:
    frames = Frames(system, name)
    with ExitStack() as sockets:
        frames.play(sockets)
    expected = {key for key in documents.of_socket()["components"]["messages"] if key.startswith("to_")}
    assert set(frames.found) == expected
    for key, frame in frames.found.items():
        recording.hold(key, frame, name, record(pytestconfig))
