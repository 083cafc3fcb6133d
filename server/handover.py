"""Moves a connection to the process whose role serves its next request.

New orders have a process of their own. When more arrive than it can answer, accepts, cancels, positions and
health checks do not wait behind them.
"""

import re
import socket
from math import inf
from typing import Any

from gevent.socket import socket as GeventSocket  # type: ignore[import-untyped]
from gevent.socket import wait_write

from server.lag import lag
from server.roles import Role, Roles

# When the receiver takes nothing for this long, the sender serves the connection itself.
FULL_SECONDS = 1.0
ONE_BYTE = b"\0"
# A process that is later than this with its work gets no more, unless the sender is even later.
BEHIND_SECONDS = 0.1
# Enough of a request to see what it is.
PEEKED_BYTES = 64


class DescriptorQueue:
    """A pair of Unix sockets that all processes inherit: one byte and one descriptor for each connection.

    A connection that nobody has taken yet waits in it as in a listener's backlog, and outlives the process
    that would have taken it.
    """

    def __init__(self) -> None:
        self._entrance, self._exit = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._entrance.setblocking(False)
        self._exit.setblocking(False)

    def fileno(self) -> int:
        """Readable while a connection waits."""
        return self._exit.fileno()

    def send(self, client: Any) -> bool:
        """Hands a connection over; the caller then closes its own descriptor. False: it could not be done."""
        while True:
            try:
                socket.send_fds(self._entrance, [ONE_BYTE], [client.fileno()])
            except BlockingIOError:
                try:
                    wait_write(self._entrance.fileno(), FULL_SECONDS)
                except TimeoutError:
                    return False
            except OSError:
                return False
            else:
                return True

    def take(self) -> Any:
        """The connection that has waited longest as gevent's socket, or ``None``."""
        try:
            _, descriptors, _, _ = socket.recv_fds(self._exit, len(ONE_BYTE), 1)
        except BlockingIOError:
            return None
        return GeventSocket(fileno=descriptors[0]) if descriptors else None

    def close(self) -> None:
        """Ends it in this process."""
        self._entrance.close()
        self._exit.close()


class Handover:
    """What one process knows of the others: made before the fork, given its ``role`` after it."""

    def __init__(self, new_orders: re.Pattern[bytes], roles: Roles) -> None:
        self._new_orders, self._roles = new_orders, roles
        self._queues = {role: DescriptorQueue() for role in (Role.NEW_ORDERS, Role.ALL_BUT_NEW_ORDERS)}
        self.role = Role.EVERYTHING
        # The process' row in ``roles``.
        self.slot: int | None = None
        # A process that leaves serves what it has; it hands nothing over any more.
        self._leaving = False

    @property
    def incoming(self) -> DescriptorQueue | None:
        """Connections that other processes have handed to this one."""
        return self._queues.get(self.role)

    def take(self) -> Any:
        """A connection that waits for this process or for a role that nobody has now, or ``None``.

        A process that leaves takes those of every role: nobody else may be left to take what it has handed
        over itself.
        """
        for role, queue in self._queues.items():
            mine = role is self.role or self._leaving or not self._roles.is_taken(role)
            if mine and (taken := queue.take()):
                return taken
        return None

    def leave(self) -> None:
        """Nothing is handed over from now on, neither to this process nor by it."""
        self._leaving = True
        if self.slot is not None:
            self._roles.leave(self.slot)

    def new_orders_come_first(self) -> bool:
        """Whether another process accepts connections before this one does."""
        return self.role is Role.ALL_BUT_NEW_ORDERS and self._roles.lag(Role.NEW_ORDERS) < inf

    def is_new_order(self, beginning: bytes) -> bool:
        """Whether a request that begins so is a new order."""
        return bool(self._new_orders.match(beginning))

    def hands_over(self, client: Any, beginning: bytes) -> bool:
        """Whether another process serves this connection from now on; ``beginning`` is of its next request,
        which has not been read.
        """
        if self.role is Role.EVERYTHING or self._leaving:
            return False
        wanted = Role.NEW_ORDERS if self.is_new_order(beginning) else Role.ALL_BUT_NEW_ORDERS
        if wanted is self.role or self._roles.lag(wanted) > max(BEHIND_SECONDS, lag.seconds):
            return False
        return self._queues[wanted].send(client)

    def close(self) -> None:
        """Ends it in this process; a connection that waits is lost with the last process that has it."""
        for queue in self._queues.values():
            queue.close()
