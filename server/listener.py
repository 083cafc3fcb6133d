"""Who takes a connection, and who serves it."""

import re
from collections.abc import Callable
from functools import partial
from socket import MSG_PEEK
from typing import Any

import gevent  # type: ignore[import-untyped]
from gevent.server import StreamServer  # type: ignore[import-untyped]

from server.hangup import has_hung_up
from server.lag import lag
from server.passage import Passage
from server.reading import HEAD_SECONDS, idle
from server.slots import Role, Slots

# As many connections as the kernel keeps for us until they are accepted (gunicorn's default).
BACKLOG = 2048
# So many are taken at a time (gevent's default).
AT_ONCE = 100
# Long enough for another process to wake up.
GIVE_WAY_SECONDS = 0.002
# So long those who serve HTTP have the first right to whoever comes.
HTTP_FIRST_SECONDS = 0.1
# While connections wait for longer than this, their clients give up.
GIVEN_UP_SECONDS = 0.25
# The head of an upgrade is far shorter, and comes in one piece.
HEAD_BYTES = 4096
UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*websocket", re.IGNORECASE)


class Listener(StreamServer):  # type: ignore[misc]
    """gevent's server, which shares the work and does not forget those at the door.

    All processes listen to one socket, and the one that is awake takes whoever comes: sixteen customers at
    once were served by one of two processes. So who has more connections than another of the same role gives
    way for a moment. Those who serve sockets leave the door to those who serve HTTP, and get from them
    whoever asks for an upgrade. That only moves work: each of them can serve everybody, and does where he is
    alone.

    Closing a socket resets the connections that the kernel has taken for it already, and whoever sent a
    request on one does not know its fate: so they are taken first.
    """

    slots: Slots
    passage: Passage
    slot: int | None = None
    role = Role.ANYTHING
    _arrivals: Any = None
    _pause: Any = None
    _own_turn = False
    _closing = False

    def set_handle(self, handle: Callable[..., None]) -> None:
        super().set_handle(partial(self._serve, handle))

    def start_accepting(self) -> None:
        # gunicorn's one at a time starves those at the door while those inside keep the process at work.
        self.max_accept = AT_ONCE
        super().start_accepting()
        if self.role is Role.SOCKETS and self._arrivals is None:
            self._arrivals = self.loop.io(self.passage.fileno(), 1)
            self._arrivals.start(self._do_receive)

    def stop_accepting(self) -> None:
        super().stop_accepting()
        self._end_watching()
        if self._pause is not None:
            self._pause.stop()
            self._pause.close()
            self._pause = None

    def do_read(self) -> Any:
        if not self._own_turn and (seconds := self._courtesy()):
            super().stop_accepting()
            self._timer = self.loop.timer(seconds)
            self._timer.start(self._take_who_is_left)
            return None
        return super().do_read()

    def do_handle(self, *connection: Any) -> None:
        self._count(1)
        super().do_handle(*connection)

    def do_close(self, *connection: Any) -> None:
        self._count(-1)
        super().do_close(*connection)

    def close(self) -> None:
        self._closing = True
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
            taken = super().do_read() or (self.role is Role.SOCKETS and self._received())
            if not taken:
                return number
            self.do_handle(*taken)
        return BACKLOG

    def _courtesy(self) -> float:
        """For how many seconds others come first."""
        if self.slot is None:
            return 0.0
        if self.role is Role.SOCKETS:
            return HTTP_FIRST_SECONDS if self.slots.has(Role.HTTP) else 0.0
        return GIVE_WAY_SECONDS if self.slots.is_busier(self.slot) else 0.0

    def _take_who_is_left(self) -> None:
        self._own_turn = True
        try:
            self._do_read()
        finally:
            self._own_turn = False
            self._start_accepting_if_started()

    def _do_receive(self) -> None:
        """Takes one connection that another process has passed on, or gives way."""
        if self.full():
            # The pool starts it again.
            self.stop_accepting()
        elif self._pause is None and self.slot is not None and self.slots.is_busier(self.slot):
            self._end_watching()
            self._pause = self.loop.timer(GIVE_WAY_SECONDS)
            self._pause.start(self._receive_who_is_left)
        elif taken := self._received():
            self.do_handle(*taken)

    def _receive_who_is_left(self) -> None:
        if not self.full() and (taken := self._received()):
            self.do_handle(*taken)
        self._pause = None
        self._start_accepting_if_started()

    def _end_watching(self) -> None:
        if self._arrivals is not None:
            self._arrivals.stop()
            self._arrivals.close()
            self._arrivals = None

    def _received(self) -> Any:
        if client := self.passage.take():
            try:
                return client, client.getpeername()
            except OSError:
                # Gone already.
                client.close()
        return None

    def _serve(self, handle: Callable[..., None], client: Any, address: Any) -> None:
        if lag.seconds > GIVEN_UP_SECONDS and has_hung_up(client):
            # Whoever has waited for so long and hung up does not hear the answer, and sends again.
            return
        if not self._passes_on(client):
            handle(client, address)

    def _passes_on(self, client: Any) -> bool:
        """Whether another process has this connection now, or nobody wants it any more."""
        if self.role is not Role.HTTP or self.ssl_enabled or self._closing:
            return False
        try:
            with gevent.Timeout(HEAD_SECONDS), idle.waiting(client, served=False):
                head = client.recv(HEAD_BYTES, MSG_PEEK)
        except (gevent.Timeout, OSError):
            return True
        if not UPGRADE.search(head) or not self.slots.has(Role.SOCKETS):
            return False
        return self.passage.send(client)

    def _count(self, change: int) -> None:
        if self.slot is not None:
            self.slots.count_open(self.slot, change)
