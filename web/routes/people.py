"""Operators erase a person on demand."""

from flask import Blueprint, Response

from models.errors import DomainError, DriverNotRegistered, PersonActive
from tasks import people
from web.guards import caller, requires
from web.http.errors import Invalid
from web.http.operations import Answer, Example, Operation
from web.http.parsing import body, validated
from web.http.responses import success
from web.identity.tokens import SUBJECT
from web.schemas.answers_to_operators import Erased
from web.schemas.bodies import Erasure

blueprint = Blueprint("people", __name__, url_prefix="/api/v1/ops/people")


def _erases(*errors: type[DomainError]) -> Operation:
    return Operation(
        "Operators",
        Answer("Nothing is known of them any more, or nothing was.", Erased),
        body=Erasure,
        examples=(Example("asked", "At the person's request", {"reason": "asked for on 29 November"}),),
        errors=(*errors, PersonActive),
        text="Name, phone, addresses, tracks and stored answers are deleted, places keep two decimals; ids "
        "and times stay. Noted with the operator's id and the reason. Revoke the person's tokens first: what "
        "their app sends afterwards is stored as new.",
    )


@blueprint.post("/customer/<customer>/erase")
@requires("ops")
@_erases()
def erase_customer(customer: str) -> Response:
    """Erases what is known of a customer; doing it again changes nothing."""
    people.erase_customer(_known(customer), _reason(), caller().sub)
    return success({"role": "customer", "id": customer, "erased": True})


@blueprint.post("/driver/<driver_id>/erase")
@requires("ops")
@_erases(DriverNotRegistered)
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
