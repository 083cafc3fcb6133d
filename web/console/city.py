"""The button of the simulated city. It runs in a process of its own and is known by its files, so
any web process can start it, stop it and report on it.
"""

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request

from models import settings
from models.errors import DomainError
from web.guards import requires
from web.http import hosts
from web.http.operations import Answer, Example, Operation
from web.http.parsing import body, validated
from web.http.responses import success
from web.schemas.answers_to_console import City
from web.schemas.bodies import CityWish

# The operator who pressed the button waits this long; then the answer is that it is starting.
STARTED_WITHIN_S = 5.0
COUNTS = ("drivers", "busy", "orders", "searching", "underWay", "filled", "expired")

blueprint = Blueprint("city", __name__)


class CityNotStarted(DomainError):
    code = "CITY_NOT_STARTED"
    message = "The simulated city could not be started."
    advice = "In development only: the message says why."


@blueprint.get("/console/city")
@requires("ops")
@Operation("Documents", Answer("How it is doing.", City), codes=("NOT_FOUND",), internal=True)
def show() -> Response:
    """How the simulated city is doing, in development only.

    Only with `APP_ENV=development`; elsewhere there is no such address (404).
    """
    return success(_seen(_city()))


@blueprint.put("/console/city")
@requires("ops")
@Operation(
    "Documents",
    Answer("How it is doing now; a start may still be `starting`.", City),
    body=CityWish,
    examples=(
        Example("start", "Let there be a city", {"running": True}),
        Example("stop", "Stop the city", {"running": False}),
    ),
    errors=(CityNotStarted,),
    codes=("NOT_FOUND",),
    internal=True,
)
def change() -> Response:
    """Starts or stops the simulated city, in development only; what is so already stays so.

    Asking again for what is so already changes nothing; one that is still `stopping` has to end before
    another can start. Only with `APP_ENV=development`; elsewhere there is no such address (404).
    """
    city = _city()
    if validated(CityWish, body()).running:
        _start(city)
    else:
        city.stop(within=0)
    return success(_seen(city))


@lru_cache(maxsize=1)
def _control() -> Any:
    """The city's own module, which no production image has: imported when development first asks."""
    return import_module("tools.demo.control")


def _city() -> Any:
    hosts.require_own_machine(request)
    return _demo(settings.load().demo_directory)


@lru_cache(maxsize=1)
def _demo(directory: str) -> Any:
    return _control().Demo(Path(directory))


def _start(city: Any) -> None:
    try:
        # Never an address that the caller has named: tokens are sent there.
        city.start(f"http://127.0.0.1:{settings.load().port}", STARTED_WITHIN_S)
    except _control().AlreadyRunning:
        return
    except _control().NotStarted as reason:
        raise CityNotStarted(str(reason)) from None


def _seen(city: Any) -> dict[str, Any]:
    status = city.status()
    counts = {name: status.get(name, 0) for name in COUNTS}
    return {"state": status["state"], "clock": status.get("clock"), **counts}
