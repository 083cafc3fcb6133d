"""The only writer of one socket: frames go out whole and in order, and nobody waits for a slow peer."""

import os
import socket
import threading
from contextlib import suppress
from selectors import EVENT_WRITE, DefaultSelector

# A peer that takes no byte for this long is gone.
STALLED_SECONDS = 20.0
# A driver's 1,500 open offers, more than anybody has; a peer that lets this much wait does not read.
MAX_UNSENT_BYTES = 1024 * 1024

# One for all queues, held for a moment only: each socket's own would cost memory.
_guard = threading.Lock()


class SendQueue:
    """What simple-websocket takes for its socket.

    The kernel takes nearly every frame at once. What it does not take is left to a thread, so an idle socket
    has none.
    """

    __slots__ = ("_connection", "_flushed", "_unsent", "slow")

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unsent = bytearray()
        # Exists while a thread sends what is unsent; set when the thread ends.
        self._flushed: threading.Event | None = None
        # Whether the peer was cut off because it does not read.
        self.slow = False

    def send(self, data: bytes) -> None:
        """Sends all of it, now or later. A peer that is gone is noticed by the reader."""
        with _guard:
            starts = self._flushed is None
            if starts:
                data = data[self._write(data) :]
                if not data:
                    return
                self._flushed = threading.Event()
            self._unsent += data
            too_much = len(self._unsent) > MAX_UNSENT_BYTES
        if starts:
            threading.Thread(target=self._flush, args=[self._flushed], name="flusher", daemon=True).start()
        if too_much:
            self._drop()

    def cut(self) -> None:
        """Ends the connection at once, also under a reader or the flusher."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        """Returns when nothing is written any more; to be called after :meth:`cut`."""
        if flushed := self._flushed:
            flushed.wait()

    def _write(self, data: bytes | bytearray) -> int:
        try:
            # gevent's own send would wait.
            return os.write(self._connection.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError:
            self.cut()
            return len(data)

    def _flush(self, flushed: threading.Event) -> None:
        try:
            with DefaultSelector() as selector:
                selector.register(self._connection, EVENT_WRITE)
                while selector.select(STALLED_SECONDS):
                    if self._is_flushed():
                        return
            self._drop()
        finally:
            flushed.set()

    def _is_flushed(self) -> bool:
        with _guard:
            del self._unsent[: self._write(self._unsent)]
            if not self._unsent:
                self._flushed = None
            return not self._unsent

    def _drop(self) -> None:
        self.slow = True
        self.cut()
