"""Operators erase a person on demand."""

from flask import Blueprint, Response

from tasks import people
from web.guards import caller, requires
from web.http.errors import Invalid
from web.http.parsing import body, validated
from web.http.responses import success
from web.identity.tokens import SUBJECT
from web.schemas.bodies import Erasure

blueprint = Blueprint("people", __name__, url_prefix="/api/v1/ops/people")


@blueprint.post("/customer/<customer>/erase")
@requires("ops")
def erase_customer(customer: str) -> Response:
    """Erases what is known of a customer; doing it again changes nothing."""
    people.erase_customer(_known(customer), _reason(), caller().sub)
    return success({"role": "customer", "id": customer, "erased": True})


@blueprint.post("/driver/<driver_id>/erase")
@requires("ops")
def erase_driver(driver_id: str) -> Response:
    """Erases what is known of a driver; doing it again changes nothing."""
    people.erase_driver(_known(driver_id), _reason(), caller().sub)
    return success({"role": "driver", "id": driver_id, "erased": True})


def _known(person_id: str) -> str:
    if not SUBJECT.fullmatch(person_id):
        raise Invalid([("id", "must be 1 to 64 letters, digits, _ or -")])
    return person_id


def _reason() -> str:
    return validated(Erasure, body()).reason
