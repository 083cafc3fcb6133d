"""Which process accepts a connection, and from when on."""

import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent  # type: ignore[import-untyped]
from gevent.server import StreamServer  # type: ignore[import-untyped]

from server.handover import Handover
from server.hangup import has_hung_up
from server.lag import lag
from server.reading import idle
from server.syn_filter import dropped_syn

# As many connections as the kernel keeps for us until they are accepted (gunicorn's default).
BACKLOG = 2048
# Connections accepted at a time (gevent's default).
AT_ONCE = 100
# For this long the process for new orders accepts first: most requests at the peak are new orders.
NEW_ORDERS_FIRST_SECONDS = 0.1
# How often a process looks for connections that were handed to one which has died.
ORPHANS_SECONDS = 0.5
# The most that a process which leaves goes on accepting, where new connections cannot be kept away.
CLOSING_SECONDS = 1.0
# While connections wait for longer than this, their clients give up.
GIVEN_UP_SECONDS = 0.25


def refuse_connections(listening: Any) -> None:
    """Has connections to this socket refused until `listen`, which any process that has it may call.

    A process takes seconds to start. A connection would wait for it; refused, a balancer asks another server.
    Linux keeps the address of a listening socket that is shut down; on other systems connections wait.
    """
    if sys.platform == "linux":
        listening.shutdown(socket.SHUT_RD)


class Listener(StreamServer):  # type: ignore[misc]
    """gevent's server, which also takes the connections that other processes hand over.

    Closing a listening socket resets the connections that the kernel has accepted already, and the client of
    a request on one cannot know whether it was read: so they are accepted first.
    """

    handover: Handover
    _arrivals: Any = None
    _orphans: Any = None
    _own_turn = False

    def set_handle(self, handle: Callable[..., None]) -> None:
        super().set_handle(partial(self._serve, handle))

    def start_accepting(self) -> None:
        # gunicorn accepts one at a time, which starves new connections while open ones keep the process busy.
        self.max_accept = AT_ONCE
        super().start_accepting()
        if self._arrivals is None and (queue := self.handover.incoming):
            self._arrivals = self.loop.io(queue.fileno(), 1)
            self._arrivals.start(self._do_receive)
            self._orphans = self.loop.timer(ORPHANS_SECONDS, ORPHANS_SECONDS)
            self._orphans.start(self._do_receive)

    def stop_accepting(self) -> None:
        super().stop_accepting()
        for watcher in filter(None, (self._arrivals, self._orphans)):
            watcher.stop()
            watcher.close()
        self._arrivals = self._orphans = None

    def do_read(self) -> Any:
        if not self._own_turn and self.handover.new_orders_come_first():
            super().stop_accepting()
            self._timer = self.loop.timer(NEW_ORDERS_FIRST_SECONDS)
            self._timer.start(self._take_the_rest)
            return None
        return super().do_read()

    def close(self) -> None:
        self.handover.leave()
        if not self.closed:
            self.stop_accepting()
            with dropped_syn(self.socket):
                # A request that was accepted a moment ago asks the open socket for its name first.
                gevent.sleep(0)
                ends = time.monotonic() + CLOSING_SECONDS
                while self._take() and time.monotonic() < ends:
                    gevent.sleep(0)
            idle.leave_new()
        super().close()

    def _take(self) -> int:
        """Begins to serve the connections that wait now; how many."""
        for number in range(BACKLOG):
            taken = super().do_read() or self._received()
            if not taken:
                return number
            self.do_handle(*taken)
        return BACKLOG

    def _take_the_rest(self) -> None:
        self._own_turn = True
        try:
            self._do_read()
        finally:
            self._own_turn = False
            self._start_accepting_if_started()

    def _do_receive(self) -> None:
        """Takes what other processes have handed over."""
        for _ in range(AT_ONCE):
            if self.full():
                # gevent's pool starts it again.
                self.stop_accepting()
                return
            if not (taken := self._received()):
                return
            self.do_handle(*taken)

    def _received(self) -> Any:
        if client := self.handover.take():
            try:
                return client, client.getpeername()
            except OSError:
                # The client has gone already.
                client.close()
        return None

    def _serve(self, handle: Callable[..., None], client: Any, address: Any) -> None:
        if lag.seconds > GIVEN_UP_SECONDS and has_hung_up(client):
            # A client that waited this long and hung up does not read the answer, and repeats the request.
            return
        handle(client, address)
