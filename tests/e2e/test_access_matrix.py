"""Role x route x owner: only what the contract allows answers. A route without a row here fails.

A new route gets one line in ROWS: who may call it, what to send, and what it says about what is the
caller's own, about what is somebody else's, and about what does not exist. Operators see everybody's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
import pytest
from websockets.exceptions import InvalidStatus

from tests import raw, scenes
from tests.system import Person, System, on_duty
from web import create_app

NOTHING = "01890000-0000-7000-8000-000000000000"
ROLES = ("customer", "driver", "ops")
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)


@dataclass(frozen=True)
class Row:
    """One route: ``roles`` empty means public; ``missing`` is the code for what is not the caller's.

    ``own`` are the statuses of a caller who may; ``stage`` says how far the order of the scene is.
    """

    roles: tuple[str, ...] = ()
    own: tuple[int, ...] = (200,)
    missing: str = ""
    body: dict[str, Any] | None = None
    stage: str = "offered"
    headers: tuple[str, ...] = field(default=())


REGISTRATION = {
    "name": "Ravi",
    "phone": "+911234567890",
    "vehicleType": "TRUCK",
    "vehicleSubtype": "OTHER",
    "vehicleNumber": "DL 1",
}
WHY = {"reason": "phone dead"}
HERE = {"locations": [{"latitude": scenes.NOIDA[0], "longitude": scenes.NOIDA[1]}]}
ORDER, CUSTOMER, DRIVER = "/api/v1/orders/<order_id>", ("customer",), ("driver",)
OPS, OPS_ORDER = ("ops",), "/api/v1/ops/orders/<order_id>"
OPS_DRIVER, OPS_TRIP = "/api/v1/ops/drivers/<driver_id>", "/api/v1/ops/trips/<truck_request_id>"
TRIP = "/api/v1/trips/<truck_request_id>"
ASKED = {"reason": "asked for"}

ROWS = {
    ("GET", "/"): Row(),
    ("GET", "/health"): Row(),
    ("GET", "/ready"): Row(),
    ("GET", "/ready/web"): Row(),
    ("POST", "/api/v1/orders"): Row(CUSTOMER, (201, 409), body=scenes.body()),
    ("GET", "/api/v1/orders"): Row(CUSTOMER),
    ("GET", "/api/v1/orders/active"): Row(CUSTOMER),
    ("GET", ORDER): Row(CUSTOMER, missing="ORDER_NOT_FOUND"),
    ("GET", ORDER + "/events"): Row(CUSTOMER, missing="ORDER_NOT_FOUND"),
    ("POST", ORDER + "/cancel"): Row(CUSTOMER, missing="ORDER_NOT_FOUND", body={}),
    ("POST", ORDER + "/accept"): Row(DRIVER, missing="NOT_OFFERED", body={}),
    ("POST", ORDER + "/decline"): Row(DRIVER, missing="NOT_OFFERED", body={}),
    ("PUT", "/api/v1/drivers/me"): Row(DRIVER, body=REGISTRATION),
    ("GET", "/api/v1/drivers/me"): Row(DRIVER),
    ("PUT", "/api/v1/drivers/me/availability"): Row(DRIVER, body={"available": True}),
    ("POST", "/api/v1/drivers/me/locations"): Row(DRIVER, body=HERE),
    ("GET", "/api/v1/drivers/me/broadcasts"): Row(DRIVER),
    ("POST", TRIP + "/status"): Row(
        DRIVER, missing="TRIP_NOT_FOUND", body={"status": "en_route_pickup"}, stage="accepted"
    ),
    ("POST", TRIP + "/cancel"): Row(DRIVER, missing="TRIP_NOT_FOUND", body={}, stage="accepted"),
    ("GET", TRIP + "/track"): Row(ROLES, missing="TRIP_NOT_FOUND", stage="accepted"),
    ("GET", "/api/v1/ops/overview"): Row(OPS),
    ("GET", "/api/v1/ops/hour"): Row(OPS),
    ("GET", "/api/v1/ops/orders"): Row(OPS),
    ("GET", OPS_ORDER): Row(OPS, missing="ORDER_NOT_FOUND"),
    ("POST", OPS_ORDER + "/expire"): Row(OPS, missing="ORDER_NOT_FOUND", body={}),
    ("POST", OPS_ORDER + "/rebroadcast"): Row(OPS, (200, 409), missing="ORDER_NOT_FOUND", body={}),
    ("GET", "/api/v1/ops/drivers"): Row(OPS),
    ("GET", OPS_DRIVER): Row(OPS, missing="DRIVER_NOT_REGISTERED"),
    ("GET", "/api/v1/ops/trips"): Row(OPS),
    ("GET", "/api/v1/ops/trips/standing"): Row(OPS),
    ("GET", OPS_ORDER + "/nearby"): Row(OPS, missing="ORDER_NOT_FOUND"),
    ("POST", OPS_ORDER + "/cancel"): Row(OPS, missing="ORDER_NOT_FOUND", body=WHY),
    ("POST", OPS_ORDER + "/extend"): Row(OPS, missing="ORDER_NOT_FOUND", body=WHY),
    ("POST", OPS_DRIVER + "/off-duty"): Row(OPS, missing="DRIVER_NOT_REGISTERED", body=WHY),
    **{
        ("POST", OPS_TRIP + deed): Row(OPS, missing="TRIP_NOT_FOUND", body=WHY, stage="accepted")
        for deed in ("/complete", "/close", "/take-off")
    },
    # "nobody" is no driver, whichever trip it is.
    ("POST", OPS_TRIP + "/hand-over"): Row(
        OPS, (404,), missing="TRIP_NOT_FOUND", body=WHY | {"driverId": "nobody"}, stage="accepted"
    ),
    ("POST", "/api/v1/ops/people/customer/<customer>/erase"): Row(OPS, (200, 409), body=ASKED),
    ("POST", "/api/v1/ops/people/driver/<driver_id>/erase"): Row(
        OPS, (200, 409), missing="DRIVER_NOT_REGISTERED", body=ASKED
    ),
    ("GET", "/metrics"): Row(),
    ("GET", "/openapi.json"): Row(),
    ("GET", "/asyncapi.json"): Row(),
    ("GET", "/asyncapi"): Row(),
    ("GET", "/guide"): Row(),
    ("GET", "/runbook"): Row(),
    ("GET", "/docs"): Row(),
    ("GET", "/docs/<name>"): Row(),
    ("GET", "/console"): Row(),
    ("GET", "/console/<filename:asset>"): Row(),
    ("POST", "/console/tokens"): Row(body={}),
    ("GET", "/console/city"): Row(OPS),
    ("GET", "/console/watched/customer/<customer>"): Row(OPS),
    ("GET", "/console/watched/driver/<driver_id>"): Row(OPS),
    ("PUT", "/console/city"): Row(OPS, body={"running": False}),
    ("GET", "/api/v1/ws"): Row(("customer", "driver"), (101,), headers=UPGRADE),
}


@dataclass(frozen=True)
class Scene:
    """Somebody's order with its offer or trip, and others of each role who have no part in it."""

    url: str
    order_id: str
    truck_request_id: str
    own: dict[str, Person]
    other: dict[str, Person]

    def call(self, method: str, rule: str, row: Row, who: Person | None, exists: bool = True) -> raw.Answer:
        path = rule.replace("<order_id>", self.order_id if exists else NOTHING)
        path = path.replace("<truck_request_id>", self.truck_request_id if exists else NOTHING)
        path = path.replace("<driver_id>", self.own["driver"].sub if exists else "nobody")
        path = path.replace("<customer>", self.own["customer"].sub)
        path = path.replace("<name>", "start.js").replace("<filename:asset>", "main.js")
        lines = [*row.headers]
        if who:
            lines.append(f"Authorization: Bearer {who.token}")
        content = b"" if row.body is None else orjson.dumps(row.body)
        if row.body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return raw.send(self.url, raw.request(method, path, *lines, body=content))


def scene(url: str, stage: str) -> Scene:
    name = uuid4().hex[:12]
    vehicle = ("TRUCK", name.upper())
    own = {
        "customer": Person(url, "customer", name),
        "driver": on_duty(url, name, vehicle=vehicle),
        "ops": Person(url, "ops", name),
    }
    other = {role: Person(url, role, name + "-other") for role in ROLES}
    on_duty(url, other["driver"].sub, vehicle=("TRUCK", "ANOTHER"))
    placed = own["customer"].order(scenes.body(vehicle=vehicle)).json()["data"]
    order_id = placed["order"]["id"]
    if stage == "accepted":
        assert own["driver"].http.post(f"/orders/{order_id}/accept", json={}).status_code == 200
    return Scene(url, order_id, placed["truckRequests"][0]["id"], own, other)


def routes() -> Iterator[tuple[str, str]]:
    """Every method of every route; HEAD and OPTIONS come with GET and with any."""
    for rule in create_app().url_map.iter_rules():
        for method in sorted((rule.methods or {"GET"}) - {"HEAD", "OPTIONS"}):
            yield method, rule.rule


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert set(routes()) == set(ROWS)


@pytest.mark.parametrize(("method", "rule"), ROWS, ids=[" ".join(row) for row in ROWS])
def test_only_allowed_roles_get_in_and_only_to_their_own_data(system: System, method: str, rule: str) -> None:
    row = ROWS[method, rule]
    here = scene(system.urls[0], row.stage)
    nobody = here.call(method, rule, row, None)
    if not row.roles:
        assert nobody.status in row.own
        return
    raw.assert_error(nobody, 401, "UNAUTHENTICATED")
    for role in ROLES:
        for people, exists in ((here.other, True), (here.other, False), (here.own, False), (here.own, True)):
            answer = here.call(method, rule, row, people[role], exists)
            if role not in row.roles:
                raw.assert_error(answer, 403, "FORBIDDEN")
            elif row.missing and (not exists or (people is here.other and role != "ops")):
                raw.assert_error(answer, 404, row.missing)
            else:
                assert answer.status in row.own, (role, answer.head, answer.body)


def test_what_a_refused_caller_asked_for_has_not_happened(system: System) -> None:
    here = scene(system.urls[0], "offered")
    before = here.own["customer"].http.get(f"/orders/{here.order_id}").json()
    for (method, rule), row in ROWS.items():
        if row.missing:
            for role in set(ROLES) - (set(row.roles) & {"ops"}):
                assert here.call(method, rule, row, here.other[role]).status in (403, 404)
    after = here.own["customer"].http.get(f"/orders/{here.order_id}").json()
    assert after == before
    assert after["data"]["order"]["status"] == "active"


def test_an_answer_about_another_persons_order_is_that_about_none(system: System) -> None:
    here = scene(system.urls[0], "offered")
    for (method, rule), row in ROWS.items():
        if row.missing and row.roles != OPS:
            role = row.roles[0]
            others, none = (
                here.call(method, rule, row, here.other[role], exists) for exists in (True, False)
            )
            assert others.body == none.body


def test_the_socket_of_ops_is_refused_before_the_upgrade(system: System, name: str) -> None:
    with pytest.raises(InvalidStatus), Person(system.urls[0], "ops", name).socket():
        pass
