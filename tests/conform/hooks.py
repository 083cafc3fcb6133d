"""What Schemathesis gets from us, in its process: the callers, what no schema can say, what to count."""

import copy
import itertools
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import strategies

from tests.faults.scene import token
from tests.scenes import NOIDA
from web.schemas.bodies import MAXIMUM_TRUCKS
from web.schemas.fields import PAST_DAYS

NAME = os.environ["CONFORM_NAME"]
# Everybody asks with this role; without one, each route is asked by its own.
ROLE = os.environ["CONFORM_ROLE"]
# One line a request: role, status, route.
TALLY = os.open(os.environ["CONFORM_TALLY"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
# Where several roles may ask, the first of these does.
ROLES = ("driver", "customer", "ops")
TOKENS = {role: token(role, NAME) for role in ROLES}
NOW = datetime.now(UTC)
# As far back as a position may lie, but for the time that the run takes.
WEEK_SECONDS = 86_400 * PAST_DAYS - 3600
# Letters without marks, which need one before them, and what else a vehicle's name may have.
PLAIN = re.compile(r"[\w .\-]")
Case = schemathesis.Case[Any]
# A key that was drawn once is drawn again and again, and mostly refused; here each is used twice.
KEY = "X-Idempotency-Key"
PROCESS, DRAWN = os.getpid(), itertools.count()
WITHOUT_METADATA = "a case was drawn without saying whether it is valid"


def _moment(seconds: int) -> str:
    moment = (NOW - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


# A schema has no word for "not in the future" and "not long ago".
schemathesis.openapi.format("date-time", strategies.integers(0, WEEK_SECONDS).map(_moment))


@schemathesis.auth(refresh_interval=None)
class Tokens:
    """The token of the caller; none for an operation that is open to everybody."""

    def get(self, case: Case, _: schemathesis.AuthContext) -> str | None:
        security: list[dict[str, list[str]]] = case.operation.definition.raw["security"]
        allowed = {role for scheme in security for role in scheme["token"]}
        own = next((role for role in ROLES if role in allowed), None)
        return own and TOKENS[ROLE or own]

    def set(self, case: Case, data: str, _: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Makes what is valid by the schema valid by the contract's further rules."""
    if case.meta is None:
        raise AssertionError(WITHOUT_METADATA)
    if not case.meta.generation.mode.is_positive:
        return
    if isinstance(case.body, dict):
        case.body = repaired(case.body)
    if case.query.get("after", "") > _moment(0):
        case.query["after"] = _moment(0)
    if vehicle := case.query.get("vehicle"):
        case.query["vehicle"] = "/".join(_plain(name) for name in vehicle.split("/", 1))
    if KEY in case.headers:
        case.headers[KEY] = f"{PROCESS}-{next(DRAWN) // 2}"


@schemathesis.hook
def after_call(_: schemathesis.HookContext, case: Case, response: schemathesis.Response) -> None:
    """Counts the request."""
    sent = str(response.request.headers.get("Authorization", ""))
    role = next((role for role in ROLES if TOKENS[role] in sent), "nobody")
    os.write(TALLY, f"{role} {response.status_code} {case.operation.label}\n".encode())


def repaired(body: dict[str, Any]) -> dict[str, Any]:
    """The same body with prices of two decimals, names of vehicles without signs, points of a way in
    their order and at its ends, positions of this week, and no more trucks than are allowed. What begins
    north of the equator is offered to our driver.
    """
    body = copy.deepcopy(body)
    for position in body.get("locations", ()):
        # The documents' example has a date of its own.
        if (position.get("at") or _moment(0)) < _moment(WEEK_SECONDS):
            position["at"] = _moment(0)
    if needs := body.get("vehicleRequirements"):
        _repair_needs(needs)
        _repair_way(body)
    for named in (body, *(needs or ())):
        for name in {"vehicleType", "vehicleSubtype"} & named.keys():
            named[name] = _plain(named[name])
    return body


def _plain(vehicle: str) -> str:
    """This name of a vehicle without signs."""
    return "".join(PLAIN.findall(vehicle)).strip() or "TRUCK"


def _repair_needs(needs: list[dict[str, Any]]) -> None:
    for need in needs:
        need["pricePerTruck"] = round(need["pricePerTruck"], 2)
        need["quantity"] = min(need["quantity"], MAXIMUM_TRUCKS // len(needs))


def _repair_way(order: dict[str, Any]) -> None:
    points = order.get("routePoints") or []
    for number, point in enumerate(points):
        point["type"] = {0: "PICKUP", len(points) - 1: "DROP"}.get(number, "STOP")
    if points:
        order.pop("pickup", None)
        order.pop("drop", None)
    begin = points[0] if points else order["pickup"]
    if begin["latitude"] >= 0:
        begin["latitude"], begin["longitude"] = NOIDA
        order["vehicleRequirements"][0] |= {"vehicleType": "TRUCK", "vehicleSubtype": NAME, "quantity": 1}
