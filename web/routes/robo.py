"""Test orders of development: `X-Weelo-Test` brings the drivers that the order is to meet (`tools/robo`)."""

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Request, Response

from models import clock, settings
from models.errors import ServiceUnavailable
from models.live import driver_search
from models.live.driver_index import vehicle_key
from models.live.driver_search import Question
from web.admission import door
from web.http.errors import Invalid
from web.http.parsing import content, sent, validated
from web.schemas.bodies import NewOrder
from workers.offers.matching import WAVE_RADII_KM

HEADER = "X-Weelo-Test"
# As WSGI spells it.
IN_WSGI = "HTTP_X_WEELO_TEST"
# Enough to see who is in reach and not a robo driver.
MOST_NEARBY = 200


def create(request: Request, customer_id: str) -> Response:
    """Answers ``POST /orders`` with this header, which is ignored outside development and in the image."""
    # Not for this machine alone, as tokens are: the caller has one already, and phones come from elsewhere.
    if not (settings.load().hands_out_tokens and find_spec("tools")):
        return door.create(request, customer_id, sent())
    script, body = _script(request), sent()
    order = validated(NewOrder, content(body)).payload()
    vehicles = _vehicles(order)
    if script.wants_nobody_else:
        _refuse_others(order, vehicles, script.has_drivers)
    if not script.has_drivers:
        return door.create(request, customer_id, body)
    with _hire(request, order, vehicles) as crew:
        response = door.create(request, customer_id, body)
        if "Idempotent-Replayed" not in response.headers:
            crew.tell(response.headers["Location"].removeprefix(door.LOCATION))
        return response


def _script(request: Request) -> Any:
    script = import_module("tools.robo.script")
    try:
        return script.read(request.headers[HEADER])
    except script.UnknownScript as error:
        raise Invalid([(HEADER, str(error))]) from None


def _vehicles(order: dict[str, Any]) -> list[tuple[str, str]]:
    """Type and subtype of each truck."""
    needs, most = order["vehicleRequirements"], _control().MOST_DRIVERS
    if sum(need["quantity"] for need in needs) > most:
        raise Invalid([(HEADER, f"there are robo drivers for {most} trucks at most")])
    return [(need["vehicleType"], need["vehicleSubtype"]) for need in needs for _ in range(need["quantity"])]


def _refuse_others(order: dict[str, Any], vehicles: list[tuple[str, str]], robots_may_be_there: bool) -> None:
    """With somebody else in reach the order might end otherwise than its test expects: that is said first."""
    pickup = order["pickup"]["coordinates"]
    place = (pickup["latitude"], pickup["longitude"], float(WAVE_RADII_KM[-1]), MOST_NEARBY)
    questions = [Question(key, *place) for key in {vehicle_key(*vehicle) for vehicle in vehicles}]
    presence_ms = settings.load().driver_presence_seconds * 1000
    answers = driver_search.nearest(questions, clock.now_ms(), presence_ms)
    ids = [driver.driver_id for answer in answers for driver in answer]
    if robots_may_be_there:
        ids = [driver_id for driver_id in ids if not driver_id.startswith(_control().NAMES)]
    if ids:
        who = f"{len(ids)} drivers of this vehicle ({ids[0]}, ...)" if ids[1:] else f"driver {ids[0]}"
        reach = f"within {WAVE_RADII_KM[-1]} km of the pickup"
        raise Invalid([(HEADER, f"not while {who} can be asked {reach}: take another pickup or vehicle")])


def _hire(request: Request, order: dict[str, Any], vehicles: list[tuple[str, str]]) -> Any:
    configured, control = settings.load(), _control()
    task = {
        # Never an address that the caller has named: tokens are sent there.
        "url": f"http://127.0.0.1:{configured.port}",
        "script": request.headers[HEADER],
        "pickup": order["pickup"]["coordinates"],
        "drop": order["drop"]["coordinates"],
        "vehicles": vehicles,
    }
    try:
        return control.Robots(Path(configured.demo_directory)).hire(task)
    except control.NotOnDuty as reason:
        raise ServiceUnavailable(str(reason)) from None


@lru_cache(maxsize=1)
def _control() -> Any:
    """What no production image has: imported when development first asks."""
    return import_module("tools.robo.control")
