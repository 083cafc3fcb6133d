"""What a socket's client may send beside a position, field by field."""

from typing import Annotated

from pydantic import Field

from models.live import mailbox
from web.schemas.bodies import Body, GiveBack, TripStatus
from web.schemas.fields import WHOLE, Id


class AcceptBroadcast(Body):
    orderId: Id
    truckRequestId: Id | None = None


class Decline(Body):
    orderId: Id


class UpdateTripStatus(TripStatus):
    truckRequestId: Id


class TripReturn(GiveBack):
    truckRequestId: Id


class Acknowledge(Body):
    id: Annotated[int, Field(ge=0, le=mailbox.LARGEST_ID), WHOLE]
