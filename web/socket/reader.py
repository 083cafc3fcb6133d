"""Reads the messages of one person's socket, checks them, carries them out, and answers failures."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

import redis
import structlog
from pydantic_core import from_json
from simple_websocket import ConnectionClosed  # type: ignore[import-untyped]
from sqlalchemy.exc import SQLAlchemyError

from models import clock
from models.errors import DomainError, DriverNotRegistered
from models.live import mailbox
from models.live.driver_index import Moved, Position
from models.messages import Message
from tasks import offers, trips
from web.http.errors import Invalid
from web.http.parsing import validated
from web.http.watching import watching
from web.positions.history import positions
from web.positions.live import reports
from web.schemas.bodies import Nothing, ReportedPosition
from web.schemas.frames import AcceptBroadcast, Acknowledge, Decline, TripReturn, UpdateTripStatus
from web.socket.session import UNAVAILABLE, Session
from web.socket.websocket import WebSocket
from workers.drivers import locating

log = structlog.get_logger()

# The longest honest message has one text of 500 characters and a handful of values.
MOST_VALUES = 1_000
NOT_JSON = (1007, "this is not JSON")

FAILED = {"code": "INTERNAL_ERROR", "message": "Something went wrong on our side."}

# Sent every few seconds: nobody waits for an answer, and the next one makes up for this one.
REPEATED = frozenset({"heartbeat", "update_location"})


class Reader:
    """The reader of one socket."""

    __slots__ = (
        "_actions",
        "_last",
        "_moving",
        "_person_id",
        "_recorded",
        "_session",
        "_websocket",
    )

    def __init__(self, websocket: WebSocket, session: Session) -> None:
        self._websocket, self._session = websocket, session
        self._person_id = session.caller.sub
        self._last: Position | None = None
        # Whether the position before is still on its way, and who waits for it.
        self._moving = False
        self._recorded: threading.Event | None = None
        self._actions = DRIVER_ACTIONS if session.caller.role == "driver" else ACTIONS

    def read(self) -> None:
        """Reads until either side has closed. Slow work holds up this peer's next message, nothing else."""
        with suppress(ConnectionClosed):
            while True:
                self._take(self._websocket.receive())

    def _take(self, text: str) -> None:
        if watching.people:
            watching.frame(self._session.person, "received", text)
        # There are no more values than these, and counting them takes microseconds.
        if text.count(",") + text.count("{") > MOST_VALUES:
            self._refuse("VALIDATION_ERROR", f"message: at most {MOST_VALUES} values are read")
            return
        try:
            message = from_json(text)
        except ValueError:
            self._session.close(*NOT_JSON)
            return
        try:
            self._do(message)
        # An error of ours with one message must not cost its sender the connection.
        except Exception as error:
            self._failed(_kind(message), error)

    def _failed(self, kind: str, error: Exception) -> None:
        if isinstance(error, Invalid):
            self._refuse("VALIDATION_ERROR", error.message)
        elif isinstance(error, DomainError):
            self._refuse(error.code, error.message)
        elif isinstance(error, redis.RedisError | SQLAlchemyError):
            self._storage_away(kind, error)
        else:
            log.error("message failed", person=self._session.person, exc_info=error)
            self._session.notify("error", FAILED)

    def _do(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise Invalid([("message", "must be a JSON object")])
        kind, data = message.get("type"), message.get("data", {})
        if not isinstance(kind, str) or kind not in self._actions:
            raise Invalid([("type", f"must be one of {', '.join(sorted(self._actions))}")])
        if not isinstance(data, dict):
            raise Invalid([("data", "must be a JSON object")])
        self._actions[kind](self, data)

    def _storage_away(self, kind: str, error: Exception) -> None:
        if kind in REPEATED:
            # The look reports this failure too, but once.
            self._session.look()
        else:
            log.warning("storage away", person=self._session.person, error=str(error).partition("\n")[0])
            self._session.notify("error", UNAVAILABLE)

    def _refuse(self, code: str, message: str) -> None:
        self._session.notify("error", {"code": code, "message": message})

    def _heartbeat(self, data: dict[str, Any]) -> None:
        validated(Nothing, data)
        self._session.look()
        if self._session.caller.role == "driver":
            locating.heartbeat(self._person_id, clock.now_ms(), self._last)

    def _acknowledge(self, data: dict[str, Any]) -> None:
        mailbox.acknowledge(self._session.person, validated(Acknowledge, data).id)

    def _update_location(self, data: dict[str, Any]) -> None:
        position = validated(ReportedPosition, data).position(clock.now_ms())
        if self._last is None or position.at_ms >= self._last.at_ms:
            self._last = position
            positions.record(self._person_id, position)
        # One after the other, so that this socket's positions stay in order and cannot pile up.
        if self._moving:
            self._recorded = threading.Event()
            self._recorded.wait()
        self._moving = True
        reports.publish(self._person_id, position, self._moved)

    def _moved(self, outcome: Moved | Exception) -> None:
        self._moving = False
        if self._recorded is not None:
            self._recorded.set()
        if isinstance(outcome, Exception):
            self._failed("update_location", outcome)
        elif outcome.outcome == "unknown":
            self._failed("update_location", DriverNotRegistered())

    def _decline(self, data: dict[str, Any]) -> None:
        offers.decline(self._person_id, validated(Decline, data).orderId.lower())

    def _accept(self, data: dict[str, Any]) -> None:
        wanted = validated(AcceptBroadcast, data)
        order_id, truck_id = wanted.orderId.lower(), wanted.truckRequestId

        def accept() -> dict[str, Any]:
            won = offers.accept(self._person_id, order_id, truck_id)
            return {"truckRequestId": won["truckRequestId"]}

        self._confirm("accept_confirmation", {"orderId": order_id, "truckRequestId": truck_id}, accept)

    def _advance(self, data: dict[str, Any]) -> None:
        wanted = validated(UpdateTripStatus, data)
        truck_id = wanted.truckRequestId.lower()
        asked = {"truckRequestId": truck_id, "status": wanted.status}
        self._confirm(
            "trip_confirmation", asked, lambda: trips.advance(self._person_id, truck_id, wanted.status)
        )

    def _give_back(self, data: dict[str, Any]) -> None:
        wanted = validated(TripReturn, data)
        truck_id = wanted.truckRequestId.lower()
        asked = {"truckRequestId": truck_id, "status": "searching"}
        self._confirm(
            "trip_confirmation", asked, lambda: trips.give_back(self._person_id, truck_id, wanted.reason)
        )

    def _confirm(self, kind: str, asked: dict[str, Any], act: Callable[[], Mapping[str, Any]]) -> None:
        """Does it and answers through the mailbox, so that the answer survives this socket; without
        Redis on this socket.
        """
        answer = asked | self._done(act)
        try:
            mailbox.put([Message(self._session.person, kind, answer)], clock.now())
        except redis.RedisError:
            self._session.notify(kind, answer)

    def _done(self, act: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        try:
            return {**act(), "result": "accepted"}
        except DomainError as error:
            return {"result": "refused", "code": error.code}
        # Always answered; the app finds out by a repeat whether it was stored.
        except (redis.RedisError, SQLAlchemyError) as error:
            log.warning("storage away", person=self._session.person, error=str(error).partition("\n")[0])
            return {"result": "refused", "code": UNAVAILABLE["code"]}


Action: TypeAlias = Callable[[Reader, dict[str, Any]], None]
# By the role of the sender; one table for all, since each socket's own would be a kilobyte.
ACTIONS: dict[str, Action] = {
    "heartbeat": Reader._heartbeat,
    "broadcast_ack": Reader._acknowledge,
}
DRIVER_ACTIONS = ACTIONS | {
    "update_location": Reader._update_location,
    "accept_broadcast": Reader._accept,
    "decline_broadcast": Reader._decline,
    "update_trip_status": Reader._advance,
    "cancel_trip": Reader._give_back,
}


def _kind(message: Any) -> str:
    return str(message.get("type")) if isinstance(message, dict) else ""
