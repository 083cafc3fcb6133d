"""The calls and frames of one person, as a developer looks at them: in development only.

Each look has the web processes note what that person does for another minute (`web/http/watching.py`).
"""

import re
import time

import redis
from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState

from models import settings
from models.live import watched
from web.guards import requires
from web.http import hosts
from web.http.errors import Invalid
from web.http.operations import Answer, Operation, query
from web.http.responses import success
from web.http.watching import watching
from web.identity.tokens import SUBJECT
from web.schemas.answers_to_console import Watched
from web.wakeups import wakeups

RETRY_SECONDS = 1.0
ENTRY_ID = re.compile(r"[0-9]{1,16}-[0-9]{1,10}")

blueprint = Blueprint("watched", __name__)


@blueprint.record_once
def _learning(state: BlueprintSetupState) -> None:
    state.app.extensions["watching"] = learn


def learn() -> None:
    """Learns of whom developers watch, from now on; returns when Redis has confirmed that."""
    if not settings.load().hands_out_tokens:
        return
    while True:
        try:
            return wakeups.subscribe(watched.EVERYBODY, watching.renew)
        except redis.RedisError:
            time.sleep(RETRY_SECONDS)


def _looks() -> Operation:
    return Operation(
        "Documents",
        Answer("The newest of the last ten minutes, oldest first.", Watched),
        parameters=(query("after", "The id of the last entry that was seen.", {"type": "string"}),),
        codes=("VALIDATION_ERROR", "NOT_FOUND"),
        text="Noted for a minute from each request on, in development only: elsewhere it is no address.",
        internal=True,
    )


@blueprint.get("/console/watched/customer/<customer>")
@requires("ops")
@_looks()
def of_customer(customer: str) -> Response:
    """A customer's calls and frames."""
    return _look("customer", customer)


@blueprint.get("/console/watched/driver/<driver_id>")
@requires("ops")
@_looks()
def of_driver(driver_id: str) -> Response:
    """A driver's calls and frames."""
    return _look("driver", driver_id)


def _look(role: str, person_id: str) -> Response:
    hosts.require_own_machine(request)
    after = request.args.get("after", "")
    if not SUBJECT.fullmatch(person_id):
        raise Invalid([("id", "must be 1 to 64 letters, digits, _ or -")])
    if after and not ENTRY_ID.fullmatch(after):
        raise Invalid([("after", "must be the id of an entry")])
    watched.announce(f"{role}:{person_id}")
    found = watched.since(f"{role}:{person_id}", after)
    return success({"entries": [{"id": entry_id, **entry} for entry_id, entry in found]})
