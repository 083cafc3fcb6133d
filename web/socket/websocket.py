"""flask-sock and simple-websocket, corrected: the one file that knows how they and wsproto work inside.

flask-sock 0.7.0, simple-websocket 1.1.0, wsproto 1.3.2. `tests/unit/test_websocket_library.py` fails when one
of the corrections is no longer needed.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import flask_sock  # type: ignore[import-untyped]
import simple_websocket  # type: ignore[import-untyped]
from flask import Blueprint, Response
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection, ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    TextMessage,
)

from web.socket.send_queue import SendQueue

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SUBPROTOCOL = "bearer"
MAX_MESSAGE_BYTES = 65536
# A fragment costs as much to read as a kilobyte, however short it is; browsers send messages whole.
MAX_FRAGMENTS = 256
# A driver's app sends at most one position a second; this leaves room for every other message. The window
# begins with a message, the next one with the first message after it.
FLOOD_MESSAGES = 100
FLOOD_SECONDS = 10.0

# How wsproto reports the first reserved bit, which is that of permessage-deflate (RFC 7692, section 6).
COMPRESSED = "Reserved bit set unexpectedly"

Conversation: TypeAlias = Callable[["WebSocket", Any], None]


class Sock(flask_sock.Sock):  # type: ignore[misc]
    """flask-sock's routes, with a check before the upgrade and a conversation after the request.

    flask-sock upgrades before any code of the route runs, and keeps Flask's request, some kilobytes, for as
    long as the socket is open. Its server class cannot be chosen.
    """

    def route(
        self, path: str, bp: Blueprint | None = None, *, admit: Callable[[], Any], **options: Any
    ) -> Callable[[Conversation], Conversation]:
        """``admit`` runs in the request and raises what refuses it; the conversation gets its result."""

        def decorate(conversation: Conversation) -> Conversation:
            @wraps(admit)
            def open_socket() -> Response:
                return _Upgrade(conversation, admit())

            (bp or self.app).route(path, websocket=True, **options)(open_socket)
            return conversation

        return decorate


class _Upgrade(Response):
    def __init__(self, conversation: Conversation, visitor: Any) -> None:
        super().__init__(status=101)
        self._conversation, self._visitor = conversation, visitor

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "_Upgraded":
        accept = partial(WebSocket, environ, self.headers["X-Request-ID"])
        return _Upgraded(accept, self._conversation, self._visitor)


class _Upgraded:
    """What gunicorn iterates over once Flask has let go of the request."""

    def __init__(self, accept: Callable[[], "WebSocket"], conversation: Conversation, visitor: Any) -> None:
        self._accept, self._conversation, self._visitor = accept, conversation, visitor

    def __iter__(self) -> Iterator[bytes]:
        self._conversation(self._accept(), self._visitor)
        # gunicorn's sign that the connection was used for something else than a response.
        raise StopIteration


class WebSocket(simple_websocket.Server):  # type: ignore[misc]
    """One socket. One thread receives; all else may be called from anywhere and never waits for the peer.

    simple-websocket reads in a thread of its own, 20 KB a socket: here :meth:`receive` reads. It takes a
    partial write for a whole one, and frames of two greenlets mix (miguelgrinberg/simple-websocket#45): here
    all it sends goes through a :class:`SendQueue`.
    """

    def __init__(self, environ: "WSGIEnvironment", request_id: str) -> None:
        """Answers the upgrade, whose headers have been checked."""
        self.connected = False
        self._request_id = request_id
        self._connection = environ["gunicorn.socket"]
        self._connection.settimeout(None)
        self.heard_at = time.monotonic()
        # The handshake reads these headers only. Others may hold what h11 refuses with an exception, and an
        # offer to compress would be accepted (#11): no message may unpack into a larger one.
        checked = {
            "gunicorn.socket": SendQueue(self._connection),
            "HTTP_HOST": "weelo",
            "HTTP_CONNECTION": "Upgrade",
            "HTTP_UPGRADE": "websocket",
            "HTTP_SEC_WEBSOCKET_VERSION": "13",
            "HTTP_SEC_WEBSOCKET_KEY": environ["HTTP_SEC_WEBSOCKET_KEY"],
        }
        offered = environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "").split(",")
        if SUBPROTOCOL in [name.strip() for name in offered]:
            checked["HTTP_SEC_WEBSOCKET_PROTOCOL"] = SUBPROTOCOL
        super().__init__(checked, subprotocols=SUBPROTOCOL, thread_class=_Unused, event_class=_Unused)

    def handshake(self) -> None:
        self.ws: WSConnection | _Frames = _Handshake(self._request_id)
        super().handshake()
        # The handshake's own parser is as large as all the rest of the socket.
        self.ws = _Frames()
        self.environ: dict[str, Any] = {}

    def receive(self) -> str:
        """The next message. Raises ``ConnectionClosed`` when either side has closed or the peer is gone."""
        while not self.input_buffer:
            if not self.connected or not (data := self._read()):
                self.connected = False
                raise simple_websocket.ConnectionClosed(self.close_reason, self.close_message)
            self.ws.receive_data(data)
            # Another thread may have closed meanwhile.
            if self.connected and not self._handle_events():
                self.connected = False
        message: str = self.input_buffer.pop(0)
        return message

    def send(self, data: str) -> None:
        """Sends a message, unless either side has closed."""
        if self.connected:
            super().send(data)

    def ping(self) -> None:
        if self.connected:
            self.sock.send(self.ws.send(Ping()))

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Sends one close frame, unless either side has closed; what comes after it is not read."""
        if self.connected:
            super().close(reason, message)
            # The library keeps those of the peer only.
            self.close_reason, self.close_message = reason or 1000, message
            self.input_buffer.clear()

    def await_close(self) -> None:
        """Reads on until the peer has closed too: it loses our close frame if we hang up on what it sends."""
        while self._is_closing() and (data := self._read()):
            self.ws.receive_data(data)

    def cut(self) -> None:
        """Ends the connection at once, also while another thread reads or writes."""
        self.connected = False
        self.sock.cut()

    def hang_up(self) -> bool:
        """Cuts, and returns when nothing is written any more. False if the peer did not read."""
        self.cut()
        self.sock.join()
        return not self.sock.slow

    def _is_closing(self) -> bool:
        for _ in self.ws.events():
            pass
        return self.ws.state is not ConnectionState.CLOSED

    def _read(self) -> bytes:
        try:
            data: bytes = self._connection.recv(self.receive_bytes)
        except OSError:
            return b""
        self.heard_at = time.monotonic()
        if len(data) == self.receive_bytes or not self.connected:
            # With more waiting, recv never lets another greenlet run: a flood would stop the process.
            time.sleep(0)
        return data


class _Unused:
    """Stands for the library's thread and its event, which nothing waits for."""

    name = ""

    def __init__(self, target: Callable[[], object] | None = None) -> None:
        pass

    def start(self) -> None:
        pass

    def set(self) -> None:
        pass


class _Handshake(WSConnection):
    """wsproto's handshake, with a header that simple-websocket has no parameter for."""

    def __init__(self, request_id: str) -> None:
        super().__init__(ConnectionType.SERVER)
        self._headers = [(b"X-Request-ID", request_id.encode())]

    def send(self, event: Event) -> bytes:
        if isinstance(event, AcceptConnection):
            event = AcceptConnection(subprotocol=event.subprotocol, extra_headers=self._headers)
        return super().send(event)


class _Frames(Connection):
    """wsproto's frames, with our limits. A violation comes out as a close with its code, as wsproto's own do;
    simple-websocket answers it and closes.

    simple-websocket limits characters instead of bytes, takes binary messages, and counts neither fragments
    nor messages.
    """

    _unreadable = False

    def __init__(self) -> None:
        super().__init__(ConnectionType.SERVER)
        self._bytes = self._fragments = self._messages = 0
        self._counted_since = 0.0

    def receive_data(self, data: bytes | None) -> None:
        # wsproto keeps what it no longer parses.
        if not self._unreadable:
            super().receive_data(data)

    def events(self) -> Iterator[Event]:  # type: ignore[override]
        for event in super().events():
            if self.state is ConnectionState.REMOTE_CLOSING:
                # The library repeats the peer's code, whatever it is.
                event = CloseConnection(1000)
            violation = self._violation(event) if self.state is ConnectionState.OPEN else None
            yield violation or event
            if violation:
                return

    def _violation(self, event: Event) -> CloseConnection | None:
        if isinstance(event, CloseConnection):
            # Not the peer's own, which would have changed the state.
            self._unreadable = True
            # Nothing is unpacked, so its size is unknown: it counts as too large.
            compressed = event.reason == COMPRESSED
            return CloseConnection(1009, "compressed messages are not read") if compressed else None
        if isinstance(event, BytesMessage):
            return CloseConnection(1003, "send text")
        if isinstance(event, TextMessage) and self._is_too_large(event):
            return CloseConnection(1009, f"at most {MAX_MESSAGE_BYTES} bytes in {MAX_FRAGMENTS} fragments")
        if not (isinstance(event, Message) and not event.message_finished) and self._floods():
            return CloseConnection(1008, "too many messages")
        return None

    def _is_too_large(self, event: TextMessage) -> bool:
        self._bytes += len(event.data.encode())
        self._fragments += event.frame_finished
        too_large = self._bytes > MAX_MESSAGE_BYTES or self._fragments > MAX_FRAGMENTS
        if event.message_finished:
            self._bytes = self._fragments = 0
        return too_large

    def _floods(self) -> bool:
        now = time.monotonic()
        if now - self._counted_since >= FLOOD_SECONDS:
            self._counted_since, self._messages = now, 0
        self._messages += 1
        return self._messages > FLOOD_MESSAGES
