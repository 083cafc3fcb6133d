"""How gunicorn serves: two gevent workers, HTTP and sockets in the same processes.

Read by gunicorn's master before the workers patch the standard library, so nothing of ``web`` is
imported here.
"""

import gc
import mmap
import os
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

import gevent  # type: ignore[import-untyped]
import psycopg2
from gevent.server import StreamServer  # type: ignore[import-untyped]
from gevent.socket import wait_read, wait_write  # type: ignore[import-untyped]
from gunicorn.http import wsgi  # type: ignore[import-untyped]
from gunicorn.http.errors import InvalidHeader  # type: ignore[import-untyped]
from gunicorn.workers import ggevent  # type: ignore[import-untyped]
from psycopg2 import extensions
from pydantic import Field
from pydantic_settings import BaseSettings

from models import db, settings

if TYPE_CHECKING:
    from gunicorn.http.message import Request  # type: ignore[import-untyped]
    from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

_settings = settings.load()


class Server(BaseSettings):
    """What belongs to the server alone: the address it listens on, and how many processes serve."""

    host: str = ""
    web_concurrency: int = Field(default=2, ge=1)


_server = Server()
# A deployed process sits behind its platform's network; a laptop's is nobody else's business.
_host = _server.host or ("0.0.0.0" if _settings.production else "127.0.0.1")  # noqa: S104
bind = f"{_host}:{_settings.port}"
workers = _server.web_concurrency
worker_class = "gevent"
worker_connections = 10_000
# Between the time-outs of Postgres (5 s) and the 10 s in which everything has to stop.
timeout = graceful_timeout = 8
# Also the time a client has for its headers, and the longest that an idle one delays a stop.
keepalive = 3
limit_request_line = 4094
limit_request_field_size = 8190
limit_request_fields = 64
# Nobody in front of us is trusted with a caller's address or scheme.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
accesslog = None
# A second way in, through a file that all gunicorns of one account would share.
control_socket_disable = True

# gunicorn joins repeated lines with a comma, which is a character of keys; a line feed is none.
KEY_HEADERS = ("X-IDEMPOTENCY-KEY", "IDEMPOTENCY-KEY")
BETWEEN_LINES = "\n"

# A client that takes none of our bytes for this long is as good as gone.
STALLED_SECONDS = 10.0

# What the processes of this server count together (web/traffic.py). A reload has the old and the new
# ones side by side.
_SLOT_BYTES = 64 * 1024
_slots = 2 * workers
_counts = mmap.mmap(-1, _slots * _SLOT_BYTES)

# How many connections each of them has open, and one.
_open = memoryview(mmap.mmap(-1, 8 * _slots)).cast("q")
# Long enough for another process to wake up.
GIVE_WAY_SECONDS = 0.002

# So often a full collection reads every object.
ALL_OBJECTS_SECONDS = 3600.0
_all_objects_due = 0.0

# Longer than Postgres lets a statement run, so this is a Postgres that does not answer at all.
POSTGRES_SECONDS = 8.0
# As many connections as the kernel keeps for us until they are accepted (gunicorn's default).
BACKLOG = backlog = 2048


def _wait(connection: extensions.connection) -> None:
    """Lets other greenlets run while Postgres works; psycopg2 alone would stop the process."""
    silent = psycopg2.OperationalError(f"Postgres has not answered for {POSTGRES_SECONDS:.0f} s")
    while (state := connection.poll()) != extensions.POLL_OK:
        wait = wait_read if state == extensions.POLL_READ else wait_write
        wait(connection.fileno(), POSTGRES_SECONDS, silent)


class _Listener(StreamServer):  # type: ignore[misc]
    """gevent's server, which shares the work and does not forget those at the door.

    All processes listen to one socket, and the one that is awake takes whoever comes: sixteen customers at
    once were served by one of two processes. So who has more connections than another gives way for a moment.

    Closing a socket resets the connections that the kernel has taken for it already, and whoever sent a
    request on one does not know its fate: so they are taken first.
    """

    slot: int | None = None
    _gave_way = False

    def do_read(self) -> Any:
        if not self._gave_way and self._has_more_than_another():
            self._gave_way = True
            self.stop_accepting()
            self._timer = self.loop.timer(GIVE_WAY_SECONDS)
            self._timer.start(self._start_accepting_if_started)
            return None
        self._gave_way = False
        return super().do_read()

    def do_handle(self, *connection: Any) -> None:
        self._count(1)
        super().do_handle(*connection)

    def do_close(self, *connection: Any) -> None:
        self._count(-1)
        super().do_close(*connection)

    def _count(self, change: int) -> None:
        if self.slot is not None:
            _open[self.slot] += change

    def _has_more_than_another(self) -> bool:
        if self.slot is None:
            return False
        # 0 is nobody's; a process counts from 1.
        return any(0 < others < _open[self.slot] for others in _open)

    def close(self) -> None:
        if not self.closed:
            self.stop_accepting()
            # Whoever was taken asks the open socket for its name as the first thing.
            gevent.sleep(0)
            while self._take():
                gevent.sleep(0)
        super().close()

    def _take(self) -> int:
        """Begins to serve whoever waits now; how many."""
        for number in range(BACKLOG):
            taken = super().do_read()
            if not taken:
                return number
            self.do_handle(*taken)
        return BACKLOG


ggevent.StreamServer = _Listener


class _Packet:
    """Takes what is sent, to be sent together."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.parts.append(data)


class _Response(wsgi.Response):  # type: ignore[misc]
    """gunicorn's response, whose head leaves with the body: as two packets they wake a client twice."""

    sock: Any

    def write(self, arg: bytes) -> None:
        sock, packet = self.sock, _Packet()
        self.sock = packet
        try:
            super().write(arg)
        finally:
            self.sock = sock
        if packet.parts:
            sock.sendall(b"".join(packet.parts))


wsgi.Response = _Response


def on_starting(server: Any) -> None:
    db.require_in_production()


def pre_fork(server: Any, worker: "GeventWorker") -> None:
    taken = {each.slot for each in server.WORKERS.values()}
    worker.slot = next((slot for slot in range(_slots) if slot not in taken), None)


def post_fork(server: Any, worker: "GeventWorker") -> None:
    _Listener.slot = worker.slot
    extensions.set_wait_callback(_wait)


def pre_request(worker: "GeventWorker", req: "Request") -> None:
    """Refuses a request without a host, keeps two keys apart that would be joined to one, and gives
    up a client that does not read its answer.
    """
    req.unreader.sock.settimeout(STALLED_SECONDS)
    if req.version >= (1, 1) and not any(name == "HOST" for name, _ in req.headers):
        raise InvalidHeader("HOST", req=req)
    for key_header in KEY_HEADERS:
        lines = [value for name, value in req.headers if name == key_header]
        if len(lines) > 1:
            others = [line for line in req.headers if line[0] != key_header]
            req.headers = [*others, (key_header, BETWEEN_LINES.join(lines))]


def post_worker_init(worker: "GeventWorker") -> None:
    """Sockets never end by themselves, and a stopping worker waits for them: close them first.

    And what is there now stays, as does later what has outlived a full collection (``_set_aside``).
    """
    global _all_objects_due
    _all_objects_due = time.monotonic() + ALL_OBJECTS_SECONDS
    gc.callbacks.append(_set_aside)
    gc.collect()

    def stop(number: int, frame: FrameType | None) -> None:
        worker.handle_exit(number, frame)
        gevent.spawn(_call, worker, "leave")

    signal.signal(signal.SIGTERM, stop)
    # More workers than slots are possible for a moment; one without a slot counts for itself.
    if worker.slot is not None:
        _open[worker.slot] = 1
        worker.wsgi.extensions["traffic"].share(_counts, worker.slot, _slots)


def _set_aside(phase: str, facts: dict[str, int]) -> None:
    """What a full collection has left is not read by the next one: with 10,000 sockets that took 0.3 s, in
    which nobody was served. Once in an hour it is, for what may have become garbage since.
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
    """The quick stop (Ctrl-C): whoever is connected is still told."""
    _call(worker, "leave")


def worker_exit(server: Any, worker: "GeventWorker") -> None:
    if worker.slot is not None:
        _open[worker.slot] = 0
    # The master calls this too, for a worker that it finds dead.
    if worker.pid == os.getpid():
        _call(worker, "stop")


def _call(worker: "GeventWorker", name: str) -> None:
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["socket"][name]()
