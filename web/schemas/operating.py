"""What operators may send: what they look for, and what they do with its reason."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from web.schemas.bodies import Body
from web.schemas.fields import (
    NAME_PATTERN,
    TEXT_PATTERN,
    VEHICLE_NAME_LENGTH,
    OperatorsReason,
    PersonId,
    Text,
    Time,
    vehicle_name,
)
from workers.reading.drivers import DRIVER_STATES
from workers.reading.finding import Wanted

LONGEST_TEXT = 100


def _vehicle(given: str) -> str:
    """``TYPE/SUBTYPE``, or one of the two."""
    return "/".join(vehicle_name(name) for name in given.split("/", 1))


def _driver_state(given: str) -> str:
    if given not in DRIVER_STATES:
        raise ValueError("must be one of " + ", ".join(DRIVER_STATES))
    return given


SearchText = Annotated[Text, Field(max_length=LONGEST_TEXT)]

# The same limits as the published document shows them.
TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": TEXT_PATTERN}
VEHICLE = {
    "type": "string",
    "minLength": 1,
    "maxLength": VEHICLE_NAME_LENGTH,
    "pattern": f"^{NAME_PATTERN}(/{NAME_PATTERN})?$",
}
PERSON = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
TIME = {"type": "string", "format": "date-time", "maxLength": 40}


class OrderSearch(Body):
    """What is looked for in orders."""

    q: SearchText | None = None
    begin: Time | None = Field(default=None, alias="from")
    to: Time | None = None
    vehicle: Annotated[str, Field(max_length=VEHICLE_NAME_LENGTH), AfterValidator(_vehicle)] | None = None
    driverId: PersonId | None = None

    def wanted(self, status: str | None) -> Wanted:
        """The same for the look."""
        begin, end = (datetime.fromisoformat(at) if at else None for at in (self.begin, self.to))
        return Wanted(self.q, self.vehicle, self.driverId, status, begin, end)


class DriverSearch(Body):
    """What is looked for in drivers."""

    q: SearchText | None = None
    state: Annotated[str, AfterValidator(_driver_state)] | None = None
    cursor: PersonId | None = None


class Act(Body):
    """Why an operator does something."""

    reason: OperatorsReason


class ActOnTrip(Act):
    """With a driver: only while the trip is still theirs."""

    driverId: PersonId | None = Field(default=None, description="Only while the trip is this driver's.")


class HandOver(Act):
    """To whom a trip goes."""

    driverId: Annotated[PersonId, Field(description="Who has the trip from now on.")]
