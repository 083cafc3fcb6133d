"""HTTP as the load client speaks it: prepared bytes out, one answer in, on a connection that stays."""

import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.bench.loop import Loop, received
from tools.local.ports import LOOPBACK

CONNECT_SECONDS = 5.0
LOCATION = b"Location: /api/v1/orders/"
REPLAYED = b"Idempotent-Replayed: true"
ID_LENGTH = 36


@dataclass
class Record:
    """What the connections of one round were answered.

    ``seconds`` are the times from sending to the whole answer, ``sent`` the moments of sending by the id
    of the order, ``last`` the moment of the last answer (`time.monotonic`).
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    sent: dict[bytes, float] = field(default_factory=dict)
    replayed: int = 0
    cut: int = 0
    last: float = 0.0

    @property
    def answers(self) -> int:
        return len(self.seconds)

    def take(self, since: float, now: float, answer: bytes) -> None:
        """Notes one whole answer."""
        self.statuses[int(answer[9:12])] += 1
        self.seconds.append(now - since)
        self.last = now
        at = answer.find(LOCATION)
        if at >= 0:
            at += len(LOCATION)
            self.sent[answer[at : at + ID_LENGTH]] = since
        self.replayed += REPLAYED in answer


class Connection:
    """One connection. ``free`` is called as (connection, now) after each answer and may send again."""

    def __init__(
        self, loop: Loop, port: int, record: Record, free: "Callable[[Connection, float], None]"
    ) -> None:
        self._loop, self._port, self._record, self._free = loop, port, record, free
        self.busy = False
        self._since = 0.0
        self._got = b""
        self._connect()

    def send(self, request: bytes, since: float) -> None:
        """Sends a request whose time counts from ``since``; the connection must not be busy."""
        self.busy, self._since = True, since
        try:
            self.sock.sendall(request)
        except OSError:
            self._lost(since)

    def ready(self, now: float) -> None:
        got = received(self.sock)
        if got is None:
            return
        if not got:
            self._lost(now)
            return
        self._got = self._got + got if self._got else got
        if _whole(self._got):
            answer, self._got, self.busy = self._got, b"", False
            self._record.take(self._since, now, answer)
            self._free(self, now)

    def _lost(self, now: float) -> None:
        """The server ends idle connections after three seconds; any other loss is counted."""
        was_busy, self.busy, self._got = self.busy, False, b""
        self._record.cut += was_busy
        self._loop.remove(self)
        self._connect()
        if was_busy:
            self._free(self, now)

    def _connect(self) -> None:
        self.sock = socket.create_connection((LOOPBACK, self._port), CONNECT_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self._loop.add(self)


def request(path: str, token: str, body: bytes, key: str = "") -> bytes:
    """The bytes of one POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"X-Idempotency-Key: {key}"] if key else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _whole(got: bytes) -> bool:
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = got.find(b"Content-Length: ", 0, end)
    length = int(got[at + 16 : got.index(b"\r\n", at)]) if at >= 0 else 0
    return len(got) >= end + 4 + length
