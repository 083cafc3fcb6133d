"""Drivers on real sockets: what reaches them is noted by order, and acknowledged as apps do it."""

import base64
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.bench.http import ID_LENGTH
from tools.bench.loop import READ_BYTES, Loop, received
from tools.local.ports import LOOPBACK

HANDSHAKE_SECONDS = 30.0
# Handshakes under way at a time.
AT_ONCE = 50
# A cumulative acknowledgement serves all that came within this time.
ACK_SECONDS = 1.0

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
ORDER = b'"orderId":"'
NUMBER = b'"id":'
OFFER = b'"new_broadcast"'
# A mask of zeros changes nothing; servers have to take any (RFC 6455, section 5.3).
MASK = bytes(4)


@dataclass
class Heard:
    """The offers that came, by order: when the first and the last came (`time.monotonic`), and how many."""

    first: dict[bytes, float] = field(default_factory=dict)
    latest: dict[bytes, float] = field(default_factory=dict)
    counts: dict[bytes, int] = field(default_factory=dict)
    offers: int = 0
    closed: int = 0

    def take(self, order: bytes, now: float) -> None:
        """Notes one offer."""
        self.first.setdefault(order, now)
        self.latest[order] = now
        self.counts[order] = self.counts.get(order, 0) + 1
        self.offers += 1

    def forget(self) -> None:
        """Forgets the orders so far; the sockets that were closed stay counted."""
        self.first.clear()
        self.latest.clear()
        self.counts.clear()
        self.offers = 0


class DriverSocket:
    """One driver's socket: asks for the upgrade at once, is in the loop after :meth:`opened`."""

    def __init__(self, loop: Loop, port: int, token: str, heard: Heard, other: "Other | None" = None) -> None:
        """``other`` gets every text frame, offers too, as (socket, frame, now)."""
        self._loop, self._heard, self._other = loop, heard, other
        self._last = self._acknowledged = b"0"
        self._got = b""
        self.gone = False
        self.sock = socket.create_connection((LOOPBACK, port), HANDSHAKE_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _ask(self.sock, token)

    def opened(self) -> None:
        """Waits for the upgrade. Raises ``ConnectionError``."""
        self._got = _upgraded(self.sock)
        self.sock.setblocking(False)
        self._loop.add(self)

    def send(self, kind: str, **data: Any) -> None:
        """Sends one frame of ours."""
        self._write(TEXT, json.dumps({"type": kind, "data": data}).encode())

    def report(self, latitude: float, longitude: float) -> None:
        """Sends a position; thousands are sent every second."""
        place = f'{{"latitude":{latitude},"longitude":{longitude}}}'
        self._write(TEXT, f'{{"type":"update_location","data":{place}}}'.encode())

    def acknowledge(self) -> None:
        """Reports the last result, if it is new."""
        if self._last != self._acknowledged:
            self._acknowledged = self._last
            self.send("broadcast_ack", id=int(self._last))

    def ready(self, now: float) -> None:
        got = received(self.sock)
        if got is None:
            return
        if not got:
            self._lost()
            return
        self._got += got
        self._frames(now)

    def close(self) -> None:
        """Leaves without a word, as a phone does that is switched off."""
        if not self.gone:
            self.gone = True
            self._loop.remove(self)

    def _lost(self) -> None:
        self._heard.closed += 1
        self.close()

    def _frames(self, now: float) -> None:
        buffer, at = self._got, 0
        while (frame := _frame(buffer, at)) is not None:
            opcode, start, end = frame
            at = end
            if opcode == TEXT:
                self._text(buffer[start:end], now)
            elif opcode == PING:
                self._write(PONG, buffer[start:end])
        self._got = buffer[at:]

    def _text(self, payload: bytes, now: float) -> None:
        at = payload.find(NUMBER)
        if at >= 0:
            self._last = _digits(payload, at + len(NUMBER))
        if OFFER in payload:
            start = payload.find(ORDER) + len(ORDER)
            self._heard.take(payload[start : start + ID_LENGTH], now)
        if self._other:
            self._other(self, payload, now)

    def _write(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
        if self.gone:
            return
        try:
            self.sock.sendall(bytes([0x80 | opcode]) + length + MASK + payload)
        except OSError:
            self._lost()


def connect(
    loop: Loop, port: int, tokens: Sequence[str], heard: Heard, other: "Other | None" = None
) -> list[DriverSocket]:
    """Opens a socket for each token, some at a time, while the loop serves those that are open."""
    found: list[DriverSocket] = []
    for start in range(0, len(tokens), AT_ONCE):
        batch = [DriverSocket(loop, port, token, heard, other) for token in tokens[start : start + AT_ONCE]]
        for opening in batch:
            opening.opened()
        found += batch
        loop.run(time.monotonic() + 0.005)
    return found


def _ask(sock: socket.socket, token: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ["GET /api/v1/ws HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Authorization: Bearer {token}"]
    sock.sendall("\r\n".join([*lines, "", ""]).encode())


def _upgraded(sock: socket.socket) -> bytes:
    """What came after the head of the answer. Raises ``ConnectionError`` if that is no 101."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = sock.recv(READ_BYTES)
        if not more:
            raise ConnectionError("the server hung up during the handshake")
        got += more
    if b" 101 " not in got[:20]:
        raise ConnectionError(got[:200].decode(errors="replace"))
    return got.partition(b"\r\n\r\n")[2]


def _frame(buffer: bytes, at: int) -> tuple[int, int, int] | None:
    """Opcode, start and end of the payload of the frame that begins here, if all of it is there."""
    left = len(buffer) - at
    if left < 2:
        return None
    length, start = buffer[at + 1] & 0x7F, at + 2
    if length == 126:
        if left < 4:
            return None
        length, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
    elif length == 127:
        if left < 10:
            return None
        length, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
    end = start + length
    return (buffer[at] & 0x0F, start, end) if len(buffer) >= end else None


def _digits(payload: bytes, at: int) -> bytes:
    end = at
    while payload[end : end + 1].isdigit():
        end += 1
    return payload[at:end]


Other = Callable[[DriverSocket, bytes, float], None]
