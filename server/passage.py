"""The way of a connection from one process of a web server to another."""

import socket
from typing import Any

from gevent.socket import socket as GeventSocket  # type: ignore[import-untyped]
from gevent.socket import wait_write

# When those who take are too busy for so long, whoever has a connection serves it himself.
SECONDS = 1.0
ONE = b"\0"


class Passage:
    """A pair of sockets that all processes inherit: one byte and one descriptor for each connection.

    What nobody has taken yet waits in it as in a backlog, and outlives a process that ends meanwhile.
    """

    def __init__(self) -> None:
        self._entrance, self._exit = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._entrance.setblocking(False)
        self._exit.setblocking(False)

    def fileno(self) -> int:
        """What becomes readable when somebody waits."""
        return self._exit.fileno()

    def send(self, client: Any) -> bool:
        """Hands a connection over; the caller closes his own end. False: it could not be done."""
        while True:
            try:
                socket.send_fds(self._entrance, [ONE], [client.fileno()])
            except BlockingIOError:
                try:
                    wait_write(self._entrance.fileno(), SECONDS)
                except TimeoutError:
                    return False
            except OSError:
                return False
            else:
                return True

    def take(self) -> Any:
        """The connection that has waited longest as gevent's socket, or ``None``."""
        try:
            _, descriptors, _, _ = socket.recv_fds(self._exit, len(ONE), 1)
        except BlockingIOError:
            return None
        return GeventSocket(fileno=descriptors[0]) if descriptors else None

    def close(self) -> None:
        """Ends it in this process; whoever waits in it is lost with the last process that has it."""
        self._entrance.close()
        self._exit.close()
