"""The door of the socket, ``GET /api/v1/ws``: everything is checked before the upgrade."""

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from models import settings
from models.errors import RateLimitExceeded
from models.live import mailbox
from web import access, addresses, auth, keys, parsing, ticker, traffic, writers
from web.auth import Caller, Forbidden, Unauthenticated
from web.connection import WebSocket, acceptance, is_key
from web.errors import failure
from web.incoming import Incoming
from web.positions import positions
from web.revocations import revocations
from web.session import Session
from web.wakeups import wakeups

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = structlog.get_logger()

PATH = "/api/v1/ws"
ROLES = ("customer", "driver")
VERSION = "13"
GOING_AWAY = (1001, "this server is going away; connect again")
REVOKED = (4401, "the token was called back")
# Longer than an answer to a close frame takes; whoever does not read it must not hold up a restart.
LEAVE_SECONDS = 2.0
# An address with too many sockets gets room when one of them ends, which may be soon.
FULL_RETRY_SECONDS = 30
# Where other systems take tokens from the URL: here they would end up in logs.
TOKEN_PARAMETERS = frozenset({"token", "access_token", "jwt", "bearer", "authorization"})
# What a 101 carries beside the handshake; the rest of a response means nothing there.
ANSWERED = frozenset({"X-Request-ID", "Sec-WebSocket-Protocol"})
LAST_EVENT_ID = re.compile(r"[0-9]{1,16}")

# Sockets of this process by the address they come from.
_held: Counter[str | None] = Counter()
_leaving = threading.Event()


class Upgrade(Response):
    """The 101: called by the server, it hands it a :class:`Conversation`."""

    def __init__(
        self, caller: Caller, address: str | None, last_event_id: int | None, protocol: dict[str, str]
    ) -> None:
        super().__init__(status=101, headers=protocol)
        self._caller, self._address, self._last_event_id = caller, address, last_event_id

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        headers = {name: value for name, value in self.headers.items() if name in ANSWERED}
        accepted = acceptance(environ["HTTP_SEC_WEBSOCKET_KEY"], headers)
        connection = environ["gunicorn.socket"]
        return Conversation(connection, accepted, self._caller, self._address, self._last_event_id)


class Conversation:
    """Takes the connection over when the server asks for what to send, and gives it back when it is closed.

    The application has let go of the request by then: a socket lasts for hours and should not keep it.
    """

    def __init__(
        self,
        connection: socket.socket,
        accepted: bytes,
        caller: Caller,
        address: str | None,
        last_event_id: int | None,
    ) -> None:
        self._connection, self._accepted = connection, accepted
        self._caller, self._address, self._last_event_id = caller, address, last_event_id

    def __iter__(self) -> Iterator[bytes]:
        with _counted(self._address):
            self._connection.sendall(self._accepted)
            serve(self._connection, self._caller, self._last_event_id)
        # Tells the server that there is nothing left to send on this connection.
        raise StopIteration


def register(app: Flask) -> None:
    """Adds the route, and what the server calls when it stops.

    A key in ``JWT_PUBLIC_KEY`` that cannot be used ends the process here.
    """
    keys.usable()
    revocations.watch(_end_revoked)
    app.before_request(_bad_handshake)
    app.add_url_rule(PATH, "socket", _open, websocket=True)
    app.extensions["socket"] = {"leave": leave, "stop": stop}


def serve(connection: socket.socket, caller: Caller, last_event_id: int | None) -> None:
    """Holds the conversation with a client whose upgrade has been answered, until it is over."""
    web_socket = WebSocket(connection)
    session = Session(web_socket, caller, last_event_id)
    ticker.add(session)
    traffic.board.connected(caller.role, +1)
    try:
        session.begin()
        if _leaving.is_set():
            session.close(*GOING_AWAY)
        # It may have been called back while it was on its way in.
        if revocations.knows(caller.token_id):
            session.close(*REVOKED)
        Incoming(web_socket, session).read()
    finally:
        traffic.board.connected(caller.role, -1)
        session.end()
        ticker.discard(session)


@contextmanager
def _counted(address: str | None) -> Iterator[None]:
    _held[address] += 1
    try:
        yield
    finally:
        _held[address] -= 1
        if not _held[address]:
            del _held[address]


def leave() -> None:
    """Closes every socket of this process with 1001, so that the apps connect elsewhere at once."""
    _leaving.set()
    for session in ticker.sessions():
        session.close(*GOING_AWAY)
    deadline = time.monotonic() + LEAVE_SECONDS
    while ticker.sessions() and time.monotonic() < deadline:
        time.sleep(0.05)
    for session in ticker.sessions():
        session.cut()


def _end_revoked(token_ids: Collection[str]) -> None:
    for session in ticker.sessions():
        if session.caller.token_id in token_ids:
            session.close(*REVOKED)


def stop() -> None:
    """Writes what is still in memory and ends the threads, once nobody is connected."""
    revocations.stop()
    ticker.stop()
    writers.stop()
    positions.stop()
    wakeups.stop()


def _open() -> Response:
    """Opens the socket of a customer or a driver."""
    if not _from_allowed_origin():
        raise Forbidden("Sockets may not be opened from this origin.")
    caller = access.admit(_named_in)
    if caller.role not in ROLES:
        raise Forbidden
    parsing.check_query()
    protocol = {"Sec-WebSocket-Protocol": "bearer"} if auth.in_subprotocols(request.headers) else {}
    address = addresses.of_request(request)
    if address and _held[address] >= settings.load().sockets_per_address > 0:
        raise RateLimitExceeded("Too many sockets from this address.", {"retryAfter": FULL_RETRY_SECONDS})
    return Upgrade(caller, address, _last_event_id(), protocol)


def _named_in(headers: Headers) -> Caller:
    if TOKEN_PARAMETERS & {name.lower() for name in request.args}:
        raise Unauthenticated("Send the token in a header, never in the URL.")
    return auth.of_socket(headers)


_open.roles, _open.counted = ROLES, True  # type: ignore[attr-defined]


def _bad_handshake() -> Response | None:
    """Refuses what is no WebSocket handshake (RFC 6455, section 4.2.1), whatever else it may be."""
    if request.path.rstrip("/") != PATH:
        return None
    connection = {token.strip() for token in request.headers.get("Connection", "").lower().split(",")}
    if request.method != "GET":
        return failure(400, "VALIDATION_ERROR", "A socket is opened with GET.")
    if request.headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in connection:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        return failure(426, "UPGRADE_REQUIRED", "This address speaks WebSocket.", headers=headers)
    if request.headers.get("Sec-WebSocket-Version") != VERSION:
        headers = {"Sec-WebSocket-Version": VERSION}
        return failure(426, "UPGRADE_REQUIRED", f"WebSocket version {VERSION} is spoken.", headers=headers)
    if not is_key(request.headers.get("Sec-WebSocket-Key", "")):
        return failure(400, "VALIDATION_ERROR", "Sec-WebSocket-Key must be 16 bytes in base64.")
    return None


def _from_allowed_origin() -> bool:
    """Browsers name the page's origin, native apps name none: a foreign page must not use a login."""
    origin = request.headers.get("Origin")
    if origin is None or origin in settings.load().origins:
        return True
    own = urlsplit(origin)
    return not settings.load().production and own.scheme in ("http", "https") and own.netloc == request.host


def _last_event_id() -> int | None:
    text = request.args.get("lastEventId", "")
    return min(int(text), mailbox.LARGEST_ID) if LAST_EVENT_ID.fullmatch(text) else None
