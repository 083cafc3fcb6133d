"""Apps that do not wait for each other: each has a connection, a patience, and may send its request again."""

import re
import socket
import time
from collections import deque

from tools.bench.http import _whole, request
from tools.bench.loop import Loop, received
from tools.local.ports import LOOPBACK

__all__ = ["App", "Lines", "request"]

# A listener whose queue is full does not answer; the kernel of a client tries again after a second.
CONNECT_SECONDS, CONNECT_AGAIN_SECONDS = 0.01, 1.0
RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)\r\n", re.IGNORECASE)
# Before the next try of an app that got no connection or lost it.
LOST_PAUSE_SECONDS = 0.2


class Line:
    """One connection; while it is busy, ``app`` gets its bytes."""

    def __init__(self, lines: "Lines") -> None:
        self._lines = lines
        self.app: App | None = None
        self._got = b""
        self.sock = socket.create_connection((LOOPBACK, lines.port), CONNECT_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        lines.loop.add(self)

    def ready(self, now: float) -> None:
        got = received(self.sock)
        if got is None:
            return
        self._got += got
        if not got:
            self.close()
            if self.app:
                self.app.lost()
        elif _whole(self._got):
            answer, self._got, app, self.app = self._got, b"", self.app, None
            self._lines.idle.append(self)
            if app:
                app.answered(now, answer)

    def close(self) -> None:
        """Hangs up."""
        self._lines.loop.remove(self)
        if self in self._lines.idle:
            self._lines.idle.remove(self)


class Lines:
    """The connections of all apps; an idle one is used again."""

    def __init__(self, loop: Loop, port: int) -> None:
        self.loop, self.port = loop, port
        self.idle: deque[Line] = deque()

    def take(self) -> Line:
        """A connection that is free. Raises ``OSError``."""
        return self.idle.pop() if self.idle else Line(self)


class App:
    """One request and its repeats, due at a moment of `time.monotonic` or now. ``seconds`` is the time of the
    last try, ``total`` the time from when it was due to the first answer, ``status`` the last answer's, or
    ``None`` without one. Who ``insists`` repeats a refusal too, after its ``Retry-After``.
    """

    def __init__(
        self,
        loop: Loop,
        lines: Lines,
        content: bytes,
        patience: float,
        repeats: int,
        insists: bool = False,
        due: float = 0.0,
    ) -> None:
        self._loop, self._lines, self._content = loop, lines, content
        self._patience, self._left, self._insists = patience, repeats, insists
        self.status: int | None = None
        self.body = b""
        self.seconds = self.total = 0.0
        self.refusals = self.refusals_without_wait = 0
        self.over = False
        self._begun = due or time.monotonic()
        self._line: Line | None = None
        self._try = 0
        self._send(self._begun)

    def answered(self, now: float, answer: bytes) -> None:
        """The whole answer to the last try."""
        self._line, self._try = None, self._try + 1
        self.status = int(answer[9:12])
        self.body = answer.partition(b"\r\n\r\n")[2]
        self.seconds, self.total = now - self._since, self.total or now - self._begun
        wait = RETRY_AFTER.search(answer)
        self.refusals += self.status == 503
        self.refusals_without_wait += self.status == 503 and wait is None
        if self.status == 503 and self._insists:
            self._again(float(wait[1]) if wait else 0.0)
        else:
            self.over = True

    def lost(self) -> None:
        """The connection has ended without an answer."""
        self._line, self._try = None, self._try + 1
        self._again(LOST_PAUSE_SECONDS)

    def _again(self, pause: float) -> None:
        if not self._left:
            self.over = True
            return
        self._left -= 1
        self._loop.at(time.monotonic() + pause, self._send)

    def _send(self, now: float) -> None:
        self._since, self._try = now, self._try + 1
        number = self._try
        self._loop.at(now + self._patience, lambda _: self._give_up(number))
        self._connect(number)

    def _connect(self, number: int) -> None:
        if number != self._try or self.over:
            return
        try:
            self._line = self._lines.take()
        except OSError:
            self._loop.at(time.monotonic() + CONNECT_AGAIN_SECONDS, lambda _: self._connect(number))
            return
        self._line.app = self
        try:
            self._line.sock.sendall(self._content)
        except OSError:
            self._line.close()
            self.lost()

    def _give_up(self, number: int) -> None:
        if number != self._try or self.over:
            return
        if self._line:
            self._line.close()
        self.lost()
