"""One person's socket as an iterator: ``for event in customer.socket(): ...``."""

import threading
from collections.abc import Generator
from contextlib import suppress
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from weelo_client.closing import Closing
from weelo_client.frames import Event
from weelo_client.stream import HEARTBEAT_S, Stream, frame

OPEN_TIMEOUT_S = 10.0


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
        self._closed = threading.Event()
        self._connection: ClientConnection | None = None
        self._events = self._across_connections()

    @property
    def last_event_id(self) -> int | None:
        """What the loop has finished with; keep it to resume in another process."""
        return self._stream.last_event_id

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def _across_connections(self) -> Generator[Event, None, None]:
        while not self._closed.is_set():
            try:
                with self._connect() as connection:
                    yield from self._listen(connection)
            except ConnectionClosed as ended:
                code = ended.rcvd.code if ended.rcvd else None
                pause = 0.0 if self._closed.is_set() else self._stream.lost(code, reason_of(ended))
            except InvalidStatus as refused:
                pause = self._stream.refused(refused.response.status_code, refused.response.body or b"")
            except (OSError, TimeoutError, WebSocketException):
                pause = self._stream.lost(None)
            self._closed.wait(pause)

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

    def _connect(self) -> ClientConnection:
        return connect(
            self._stream.address(self._url),
            additional_headers={"Authorization": f"Bearer {self._token}"},
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=2,
            proxy=None,
        )

    def _listen(self, connection: ClientConnection) -> Generator[Event, None, None]:
        over = threading.Event()
        beating = threading.Thread(target=self._beat, args=(connection, over), daemon=True)
        self._connection = connection
        beating.start()
        try:
            while not self._closed.is_set():
                if event := self._stream.read(self._receive(connection)):
                    yield event
                    self._stream.finished(event)
        finally:
            self._connection = None
            with suppress(ConnectionClosed):
                self._acknowledge(connection, idle=True)
            over.set()
            beating.join()

    def _receive(self, connection: ClientConnection) -> str | bytes:
        """The next frame. While there is none, what is finished is acknowledged."""
        self._acknowledge(connection, idle=False)
        try:
            return connection.recv(timeout=0)
        except TimeoutError:
            self._acknowledge(connection, idle=True)
            return connection.recv()

    def _acknowledge(self, connection: ClientConnection, idle: bool) -> None:
        if due := self._stream.acknowledgement(idle):
            connection.send(due)

    def _beat(self, connection: ClientConnection, over: threading.Event) -> None:
        """In a thread of its own: a driver whose app is busy with one event must not seem silent."""
        while not over.wait(self._heartbeat_s):
            with suppress(ConnectionClosed):
                connection.send(frame("heartbeat", {}))


def reason_of(ended: ConnectionClosed) -> str:
    """What the server said with its close code."""
    return ended.rcvd.reason if ended.rcvd else ""
