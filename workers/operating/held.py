"""A running trip under its order's lock, for what an operator does to it.

Of a driver and an operator at once the second one finds the trip changed, and nothing of theirs happens.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from models import db, messages, outbox
from models.errors import InvalidTransition, TripNotFound
from models.messages import Message
from models.tables.orders import RUNNING
from workers import events, order_turns
from workers.drivers import trips

ORDER_OF = text("SELECT order_id FROM truck_requests WHERE id = :id")
TRUCK = text("SELECT * FROM truck_requests WHERE id = :id")


@dataclass(frozen=True)
class TripAct:
    """Who does something to which trip, and why; with a driver only while it is theirs."""

    truck_request_id: str
    operator: str
    reason: str
    driver_id: str | None = None


@dataclass(frozen=True)
class Held:
    """A trip under its order's lock."""

    connection: Connection
    order: Row[Any]
    truck: Row[Any]
    act: TripAct
    now: datetime | None

    def event(self, **more: Any) -> dict[str, Any]:
        data = {"driverId": self.truck.driver_id, "truckRequestId": str(self.truck.id)} | more
        return data | {"operator": self.act.operator, "reason": self.act.reason}

    def move(self, status: str) -> None:
        """Compare-and-set to a status that ends the trip."""
        step = {"id": self.truck.id, "driver_id": self.truck.driver_id, "present": self.truck.status}
        self.changed(
            self.connection.execute(trips.ADVANCE, step | {"status": status, "now": self.now}).rowcount
        )

    def changed(self, rows: int) -> None:
        """Raises ``InvalidTransition`` if a compare-and-set has changed no row."""
        if not rows:
            raise InvalidTransition("The trip has changed in the same moment.")

    def to_driver(self) -> Message:
        """The trip is not theirs any more."""
        news = {"orderId": str(self.order.id), "reason": self.act.reason}
        return Message(messages.driver(self.truck.driver_id), "order_cancelled", news, key=self._key())

    def completed_for_driver(self) -> Message:
        """What their app is answered when it completes the trip itself."""
        news = {"truckRequestId": str(self.truck.id), "status": "completed", "result": "accepted"}
        return Message(messages.driver(self.truck.driver_id), "trip_confirmation", news, key=self._key())

    def to_customer(self, status: str) -> Message:
        return trips.status_changed(self.order, str(self.truck.id), self.truck.driver_id, status)

    def record(self, kind: str, **more: Any) -> None:
        events.record(self.connection, str(self.order.id), kind, self.now, self.event(**more))

    def follow(
        self, notices: Sequence[Message], drivers: Sequence[str] = (), recounted: str = ""
    ) -> outbox.Followup:
        changed = [self.truck.driver_id, *drivers]
        return outbox.add(self.connection, str(self.order.id), notices, changed, recounted=recounted)

    def _key(self) -> str:
        # The same driver can have the same truck twice.
        return f"trip_ended:{self.truck.id}:{self.truck.driver_id}:{self.truck.assigned_at.timestamp()}"


def order_of(truck_request_id: str) -> str:
    """The order of a truck. Raises ``TripNotFound``."""
    with db.statements() as connection:
        order_id = connection.execute(ORDER_OF, {"id": truck_request_id}).scalar_one_or_none()
    if order_id is None:
        raise TripNotFound("There is no such trip.")
    return str(order_id)


@contextmanager
def held(act: TripAct, done: str | None, now: datetime | None) -> Iterator[Held | None]:
    """A transaction that has locked the trip's order; ``None`` where the truck is ``done`` already."""
    ids, order_id = {"id": act.truck_request_id}, order_of(act.truck_request_id)
    with order_turns.turn(order_id), db.transaction() as connection:
        order = connection.execute(trips.LOCK, {"order_id": order_id}).one()
        truck = connection.execute(TRUCK, ids).one()
        if truck.status == done:
            yield None
            return
        if truck.status not in RUNNING:
            raise InvalidTransition("This trip does not run.", data={"status": truck.status})
        if act.driver_id not in (None, truck.driver_id):
            raise InvalidTransition("The trip is another driver's now.", data={"status": truck.status})
        yield Held(connection, order, truck, act, now)
