"""``GET /api/v1/ws``: everything is checked before the upgrade; then the conversation is held."""

import base64
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from models import settings
from models.errors import RateLimitExceeded, ServiceUnavailable
from models.live import mailbox
from web import guards
from web.http import client_address, parsing, request_counters
from web.http.errors import failure
from web.http.operations import Answer, Operation, query
from web.http.watching import watching
from web.identity import keys, tokens
from web.identity.revocations import revocations
from web.identity.tokens import Caller, Forbidden, Unauthenticated
from web.positions.history import positions
from web.socket.reader import Reader
from web.socket.session import Session
from web.socket.timers import timers
from web.socket.websocket import Sock, WebSocket
from web.wakeups import wakeups

PATH = "/api/v1/ws"
ROLES = ("customer", "driver")
VERSION = "13"
GOING_AWAY = (1001, "this server is going away; connect again")
REVOKED = (4401, "the token was revoked")
# A process that leaves closes its sockets in at most 20 steps, of at least 10 sockets: when 500 were closed
# at once, some apps waited for 5 s until they were connected again.
LEAVE_STEPS, LEAVE_FEW = 20, 10
STEP_SECONDS = 0.1
# Longer than an answer to a close frame takes; a peer that does not read must not hold up a restart.
LEAVE_SECONDS = 2.0
# An address with too many sockets gets room when one of them ends, which may be soon.
FULL_RETRY_SECONDS = 30
# Other systems take tokens from these; in a URL they would end up in logs.
TOKEN_PARAMETERS = frozenset({"token", "access_token", "jwt", "bearer", "authorization"})
LAST_EVENT_ID = re.compile(r"[0-9]{1,16}")

# Sockets of this process by the address they come from.
_held: Counter[str | None] = Counter()
_leaving = threading.Event()


class Visitor(NamedTuple):
    """A client whose upgrade was admitted."""

    caller: Caller
    address: str | None
    last_event_id: int | None


def register(app: Flask) -> None:
    """Adds the route, and what the server calls when it stops.

    A key in ``JWT_PUBLIC_KEY`` that cannot be used ends the process here.
    """
    keys.usable()
    revocations.watch(_end_revoked)
    app.before_request(_bad_handshake)
    sock = Sock(app)

    @sock.route(PATH, admit=_admit, endpoint="socket")
    def converse(websocket: WebSocket, visitor: Visitor) -> None:
        with _counted(visitor.address):
            serve(websocket, visitor.caller, visitor.last_event_id)

    app.extensions["socket"] = {"refuse": _leaving.set, "leave": leave, "stop": stop}


def serve(websocket: WebSocket, caller: Caller, last_event_id: int | None) -> None:
    """Holds the conversation with a client whose upgrade has been answered, until it is over."""
    session = Session(websocket, caller, last_event_id)
    timers.add(session)
    request_counters.counters.connected(caller.role, +1)
    try:
        session.open()
        if _leaving.is_set():
            session.close(*GOING_AWAY)
        # Its token may have been revoked during the handshake.
        if revocations.knows(caller.token_id):
            session.close(*REVOKED)
        Reader(websocket, session).read()
    finally:
        request_counters.counters.connected(caller.role, -1)
        session.end()
        if watching.people:
            watching.closed(session.person, websocket.close_reason, websocket.close_message)
        timers.discard(session)


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
    """Closes every socket of this process with 1001, so that the apps connect elsewhere."""
    _leaving.set()
    sessions = timers.sessions()
    at_a_time = max(LEAVE_FEW, math.ceil(len(sessions) / LEAVE_STEPS))
    for begin in range(0, len(sessions), at_a_time):
        for session in sessions[begin : begin + at_a_time]:
            session.close(*GOING_AWAY)
        time.sleep(STEP_SECONDS)
    deadline = time.monotonic() + LEAVE_SECONDS
    while timers.sessions() and time.monotonic() < deadline:
        time.sleep(0.05)
    for session in timers.sessions():
        session.cut()


def _end_revoked(token_ids: Collection[str]) -> None:
    for session in timers.sessions():
        if session.caller.token_id in token_ids:
            session.close(*REVOKED)


def stop() -> None:
    """Writes what is still in memory and ends the threads, once nobody is connected."""
    revocations.stop()
    timers.stop()
    positions.stop()
    watching.stop()
    wakeups.stop()


@Operation(
    "Socket",
    Answer("The conversation begins; `/asyncapi.json` says how it goes on.", status=101),
    parameters=(
        query("lastEventId", "The last id that this app has seen.", {"type": "integer", "minimum": 0}),
    ),
    codes=("VALIDATION_ERROR", "UPGRADE_REQUIRED"),
)
def _admit() -> Visitor:
    """Opens the socket of a customer or a driver.

    Browsers send the token as the subprotocols `bearer, <JWT>`. Token, role and `Origin` are checked before
    the upgrade.
    """
    if _leaving.is_set():
        # It would be cut at once; a balancer asks another server instead.
        raise ServiceUnavailable("This server is going away; connect again.")
    if not _from_allowed_origin():
        raise Forbidden("Sockets may not be opened from this origin.")
    caller = guards.admit(_named_in)
    if caller.role not in ROLES:
        raise Forbidden
    parsing.check_query()
    address = client_address.of_request(request)
    if address and _held[address] >= settings.load().sockets_per_address > 0:
        raise RateLimitExceeded("Too many sockets from this address.", {"retryAfter": FULL_RETRY_SECONDS})
    return Visitor(caller, address, _last_event_id())


def _named_in(headers: Headers) -> Caller:
    if TOKEN_PARAMETERS & {name.lower() for name in request.args}:
        raise Unauthenticated("Send the token in a header, never in the URL.")
    return tokens.of_socket(headers)


_admit.roles, _admit.counted = ROLES, True  # type: ignore[attr-defined]


def _bad_handshake() -> Response | None:
    """Refuses what is no WebSocket handshake (RFC 6455, section 4.2.1), whatever else is wrong with it."""
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
    if not _is_key(request.headers.get("Sec-WebSocket-Key", "")):
        return failure(400, "VALIDATION_ERROR", "Sec-WebSocket-Key must be 16 bytes in base64.")
    return None


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def _from_allowed_origin() -> bool:
    """Browsers send the page's origin, native apps none: a foreign page must not use a login."""
    origin = request.headers.get("Origin")
    if origin is None or origin in settings.load().origins:
        return True
    own = urlsplit(origin)
    return not settings.load().production and own.scheme in ("http", "https") and own.netloc == request.host


def _last_event_id() -> int | None:
    text = request.args.get("lastEventId", "")
    return min(int(text), mailbox.LARGEST_ID) if LAST_EVENT_ID.fullmatch(text) else None
