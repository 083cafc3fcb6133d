# Made of aio/events.py by `make twin`.
"""One person's socket as an iterator: ``for event in customer.socket(): ...``."""

from collections.abc import Generator
from contextlib import closing, suppress
from functools import partial
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from weelo_client.closing import Closing
from weelo_client.frames import Event
from weelo_client.stream import HEARTBEAT_S, OPEN_TIMEOUT_S, Stream, frame
from weelo_client.waiting import Flag, Pulse, receive_now


class Events(Closing):
    """Yields every event once, in order, across reconnects, until :meth:`close` is called.

    An event is acknowledged when the next one is asked for, so one whose handling was cut short comes
    again. A loop may be left and another begun: the connection stays. Raises ``TokenExpired`` and
    ``Replaced`` (close codes 4401 and 4409), ``SocketRefused`` and ``SocketEnded`` where coming back
    would not help.
    """

    def __init__(
        self, url: str, token: str, last_event_id: int | None = None, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._url, self._token = url, token
        self._stream = Stream(last_event_id)
        self._heartbeat_s = heartbeat_s
        self._closed = Flag()
        self._connection: ClientConnection | None = None
        self._events = self._across_connections()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    @property
    def last_event_id(self) -> int | None:
        """What the loop has finished with; keep it to resume in another process."""
        return self._stream.last_event_id

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def _across_connections(self) -> Generator[Event, None]:
        while not self._closed.is_set():
            pause = 0.0
            try:
                with (
                    connect(self._stream.address(self._url), **self._options()) as connection,
                    closing(self._listen(connection)) as events,
                ):
                    yield from events
            except ConnectionClosed as ended:
                pause = 0.0 if self._closed.is_set() else self._stream.lost(*_said(ended))
            except InvalidStatus as refused:
                pause = self._stream.refused(refused.response.status_code, refused.response.body or b"")
            except (OSError, TimeoutError, WebSocketException):
                pause = self._stream.lost(None)
            self._closed.within(pause)

    def send(self, kind: str, **data: Any) -> bool:
        """Sends a frame; False if there is no connection now. From any thread."""
        connection = self._connection
        if connection is None:
            return False
        try:
            connection.send(frame(kind, data))
        except ConnectionClosed:
            return False
        return True

    def close(self) -> None:
        """Ends the iteration, from any thread; the event in hand is not acknowledged."""
        self._closed.set()
        if connection := self._connection:
            connection.close()
        # In another thread's hands it ends by itself, now that its connection has.
        with suppress(ValueError):
            self._events.close()

    def _options(self) -> dict[str, Any]:
        return {
            "additional_headers": {"Authorization": f"Bearer {self._token}"},
            "compression": None,
            "open_timeout": OPEN_TIMEOUT_S,
            "close_timeout": 2,
            "proxy": None,
        }

    def _listen(self, connection: ClientConnection) -> Generator[Event, None]:
        self._connection = connection
        pulse = Pulse(partial(self._beat, connection), self._heartbeat_s)
        try:
            while not self._closed.is_set():
                if event := self._stream.read(self._receive(connection)):
                    yield event
                    self._stream.finished(event)
        finally:
            self._connection = None
            with suppress(ConnectionClosed):
                self._acknowledge(connection, idle=True)
            pulse.stop()

    def _receive(self, connection: ClientConnection) -> str | bytes:
        """The next frame. While there is none, what is finished is acknowledged."""
        self._acknowledge(connection, idle=False)
        try:
            return receive_now(connection)
        except TimeoutError:
            self._acknowledge(connection, idle=True)
            return connection.recv()

    def _acknowledge(self, connection: ClientConnection, idle: bool) -> None:
        if due := self._stream.acknowledgement(idle):
            connection.send(due)

    def _beat(self, connection: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            connection.send(frame("heartbeat", {}))


def _said(ended: ConnectionClosed) -> tuple[int | None, str]:
    """The code and the reason that the server closed with, if it did."""
    return (ended.rcvd.code, ended.rcvd.reason) if ended.rcvd else (None, "")
