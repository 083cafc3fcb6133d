"""How gunicorn serves: two gevent workers, one for new orders and one for everything else (``server``).

Read by gunicorn's master before the workers patch the standard library, so nothing of ``web`` is
imported here.
"""

import gc
import os
import re
import signal
import time
from collections.abc import Callable
from email.utils import formatdate
from types import FrameType
from typing import TYPE_CHECKING, Any

import gevent  # type: ignore[import-untyped]
from gevent.socket import wait_read, wait_write  # type: ignore[import-untyped]
from gunicorn import http, util  # type: ignore[import-untyped]
from gunicorn.http.errors import InvalidHeader  # type: ignore[import-untyped]
from gunicorn.workers import ggevent  # type: ignore[import-untyped]
from psycopg2 import extensions

from models import alive_file, clock, db, settings, silence
from server import counts, listener, reading
from server.fairness import ClientTurns, TargetTurns
from server.handover import Handover
from server.lag import lag
from server.roles import Roles, next_role

if TYPE_CHECKING:
    from gunicorn.http.message import Request  # type: ignore[import-untyped]
    from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

_settings = settings.load()


_settings.require(settings.OF_WEB)
_server = settings.server()
# A deployed process sits behind its platform's network; a laptop's serves that laptop only.
_host = _server.host or ("0.0.0.0" if _settings.production else "127.0.0.1")  # noqa: S104
bind = f"[{_host}]:{_settings.port}" if ":" in _host else f"{_host}:{_settings.port}"
workers = _server.web_concurrency
worker_class = "gevent"
# All sockets may be in one process.
worker_connections = 20_000
# Between the time-outs of Postgres (5 s) and the 10 s in which everything has to stop.
timeout = graceful_timeout = 8
keepalive = _server.keepalive_seconds
backlog = listener.BACKLOG
limit_request_line = 4094
limit_request_field_size = 8190
limit_request_fields = 64
# No proxy is trusted with a caller's address or scheme.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
accesslog = None
# It would open a file that every gunicorn of one account shares.
control_socket_disable = True

# gunicorn joins repeated lines with a comma, which a key may contain; a line feed it may not.
KEY_HEADERS = ("X-IDEMPOTENCY-KEY", "IDEMPOTENCY-KEY")
BETWEEN_LINES = "\n"

# A client that reads no byte for this long is treated as gone.
STALLED_SECONDS = 10.0

# Servers that are stopped together, as by a release, all refuse new sockets by then. An app whose socket one
# closes would connect to another of them, which closes it again.
STOPPED_TOGETHER_SECONDS = 1.0

# Several beats fit into the silence after which another process serves in this one's place.
BEAT_SECONDS = 0.1

# How often a full collection reads every object.
ALL_OBJECTS_SECONDS = 3600.0
_all_objects_due = 0.0


def _wait(connection: extensions.connection) -> None:
    """Lets other greenlets run while Postgres works; psycopg2 alone would stop the process."""
    since = time.monotonic()
    while (state := connection.poll()) != extensions.POLL_OK:
        wait = wait_read if state == extensions.POLL_READ else wait_write
        # Asked before it is ready, libpq takes a connection that is still being made for one that is.
        while not _is_ready(wait, connection.fileno()):
            silence.waited(since, db.open_connection)
        if state == extensions.POLL_READ:
            since = time.monotonic()
            silence.heard()


def _is_ready(wait: Callable[[int, float], None], file: int) -> bool:
    try:
        wait(file, silence.LOOK_SECONDS)
    except TimeoutError:
        return False
    return True


def _date(timestamp: float | None = None) -> str:
    """The ``Date`` of an answer, by the clock of the ``expiresAt`` that it may carry."""
    return formatdate(clock.seconds() if timestamp is None else timestamp, usegmt=True)


util.http_date = _date
ggevent.StreamServer = listener.Listener
http.RequestParser = reading.RequestParser

_roles = Roles(2 * workers)
_handover = Handover(re.compile(rb"POST /api/v1/orders[ ?]"), _roles)
listener.Listener.handover = reading.Request.handover = _handover
_clients = ClientTurns()
_targets = TargetTurns()


def on_starting(server: Any) -> None:
    db.check_at_start()
    counts.make_directory()


def when_ready(server: Any) -> None:
    # A socket that was inherited is another server's too.
    if not (server.master_pid or server.systemd):
        for listening in server.LISTENERS:
            listener.refuse_connections(listening.sock)


def on_exit(server: Any) -> None:
    counts.remove_directory()


def pre_fork(server: Any, worker: "GeventWorker") -> None:
    there = sorted(server.WORKERS.values(), key=lambda worker: worker.age)
    taken = {worker.slot for worker in there}
    worker.slot = next((slot for slot in range(_roles.count) if slot not in taken), None)
    # After a reload the youngest stay.
    staying = there[len(there) - server.num_workers + 1 :] if len(there) >= server.num_workers else there
    worker.role = next_role(server.num_workers, (worker.role for worker in staying))


def post_fork(server: Any, worker: "GeventWorker") -> None:
    _handover.role, _handover.slot = worker.role, worker.slot
    counts.take_slot(worker.slot)
    extensions.set_wait_callback(_wait)


def pre_request(worker: "GeventWorker", req: "Request") -> None:
    """Makes a client wait for its turn, refuses a request without a host, keeps two keys apart that would be
    joined to one, and limits how long a client may not read its answer.
    """
    _clients.wait(req.unreader.sock)
    _targets.wait(req.path)
    req.unreader.sock.settimeout(STALLED_SECONDS)
    if req.version >= (1, 1) and not any(name == "HOST" for name, _ in req.headers):
        raise InvalidHeader("HOST", req=req)
    for key_header in KEY_HEADERS:
        lines = [value for name, value in req.headers if name == key_header]
        if len(lines) > 1:
            others = [line for line in req.headers if line[0] != key_header]
            req.headers = [*others, (key_header, BETWEEN_LINES.join(lines))]


def post_worker_init(worker: "GeventWorker") -> None:
    """From now on the worker can serve, so that clients may connect.

    When it stops it closes its sockets: it would wait for them, and they never end by themselves. Objects
    that exist now are frozen (``_freeze_survivors``).
    """
    global _all_objects_due
    _all_objects_due = time.monotonic() + ALL_OBJECTS_SECONDS
    gc.callbacks.append(_freeze_survivors)
    gc.collect()

    def stop(number: int, frame: FrameType | None) -> None:
        worker.handle_exit(number, frame)
        reading.idle.leave()
        gevent.spawn(_call, worker, "refuse")
        gevent.spawn_later(STOPPED_TOGETHER_SECONDS, _call, worker, "leave")

    signal.signal(signal.SIGTERM, stop)
    # Before the first request, which would have to wait for it.
    gevent.spawn(clock.seconds)
    gevent.spawn(worker.wsgi.extensions["watching"])
    shedder = worker.wsgi.extensions["shedder"]
    shedder.role = worker.role
    reading.Request.reason_to_refuse = shedder.reason_to_refuse
    reading.Request.refusal = shedder.refusal
    if worker.slot is not None:
        _roles.take(worker.slot, worker.role)
        gevent.spawn(_beat, worker.slot)
    for listening in worker.sockets:
        listening.listen(backlog)


def _beat(slot: int) -> None:
    """Shows the other processes that this one is alive."""
    while True:
        _roles.beat(slot, lag.seconds)
        alive_file.touch()
        gevent.sleep(BEAT_SECONDS)


def _freeze_survivors(phase: str, facts: dict[str, int]) -> None:
    """After each full collection the survivors are frozen: with 10,000 sockets the next one would read them
    for 0.3 s, in which no request is served. Once an hour it reads them all.
    """
    global _all_objects_due
    if phase != "stop" or facts["generation"] < 2:
        return
    now = time.monotonic()
    if _all_objects_due <= now:
        _all_objects_due = now + ALL_OBJECTS_SECONDS
        gc.unfreeze()
    else:
        gc.freeze()


def worker_int(worker: "GeventWorker") -> None:
    """The quick stop (Ctrl-C): sockets still get their close frame."""
    reading.idle.leave()
    _call(worker, "leave")


def worker_exit(server: Any, worker: "GeventWorker") -> None:
    if worker.slot is not None:
        _roles.leave(worker.slot)
    # The master calls this too, for a worker that it finds dead.
    if worker.pid == os.getpid():
        _call(worker, "stop")


def _call(worker: "GeventWorker", name: str) -> None:
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["socket"][name]()
