"""One WebSocket (RFC 6455) on a socket that the web server has handed over.

The protocol is wsproto's. What stands here is what keeps one peer from hurting anybody: limits,
time-outs, whole frames only, and the close codes of the contract.
"""

import base64
import binascii
import hashlib
import os
import socket
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from web.frames import PING, PONG, TEXT, close_frame, control_frame, plain_frames, text_frame

RECEIVE_BYTES = 4096
MAX_MESSAGE_BYTES = 65536
# A fragment costs as much to read as a kilobyte, however short it is; browsers send messages whole.
MAX_FRAGMENTS = 256
# A reader that takes none of our bytes for this long is as good as gone.
STALLED_SECONDS = 20.0

# How wsproto says that the first reserved bit is set, which is permessage-deflate's (RFC 7692, 6).
COMPRESSED = "Reserved bit set unexpectedly"

CONTROL: dict[int, type[Ping | Pong]] = {PING: Ping, PONG: Pong}

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, slots=True)
class Violation:
    """The peer broke the protocol; ``code`` is the close code for it."""

    code: int
    reason: str


def is_key(key: str) -> bool:
    """Whether this is a ``Sec-WebSocket-Key``: 16 bytes in base64."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def acceptance(key: str, headers: Mapping[str, str]) -> bytes:
    """The 101 answer. No extension is ever accepted, so no message can unpack into a larger one."""
    digest = base64.b64encode(hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()).decode()
    lines = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": digest, **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n".encode("latin-1")


class WebSocket:
    """Frames in and out. One thread calls :meth:`received`; of those that send, one does at a time.

    Sending does not wait: what the kernel does not take at once is `unsent`, until :meth:`finish`.
    """

    __slots__ = (
        *("unsent", "heard_at", "_sock", "_protocol", "_parts", "_length", "_fragments"),
        *("_ignoring", "_broken", "_over", "_closed"),
    )

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Whoever has nothing to say is asked by pings.
        self._sock.settimeout(None)
        self.unsent = b""
        # Reads everything from the first frame on that is not plain; most clients send no such frame.
        self._protocol: Connection | None = None
        self._parts: list[str] = []
        self._length = self._fragments = 0
        # Closing, so that only the peer's own end matters; or past all parsing, so that not even that.
        self._ignoring = self._broken = False
        # The peer has said goodbye; we have.
        self._over = self._closed = False
        self.heard_at = time.monotonic()

    def received(self) -> Iterator[str | Ping | Pong | Violation]:
        """Everything the peer sends until it is gone; after a violation only its end is awaited."""
        while data := self._receive():
            self.heard_at = time.monotonic()
            if self._broken:
                continue
            if self._protocol is None:
                data = yield from self._read_plain(data)
                if not data:
                    continue
                self._protocol = Connection(ConnectionType.SERVER)
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                if isinstance(event, CloseConnection) and self._protocol.state is not ConnectionState.OPEN:
                    self._over = True
                    return
                yield from self._read(event)

    def send(self, texts: Sequence[str]) -> None:
        """Sends messages whole. Raises ``OSError`` when the peer is gone."""
        self._send(b"".join(map(text_frame, texts)))

    def ping(self) -> None:
        self._send(control_frame(PING))

    def pong(self, ping: Ping) -> None:
        self._send(control_frame(PONG, bytes(ping.payload)))

    def close(self, code: int, reason: str) -> None:
        """Sends one close frame, unless the peer is gone already; from then on nothing is read."""
        self._ignoring = True
        if not self._closed:
            self._closed = True
            with suppress(OSError):
                self._put(close_frame(code, reason))

    def finish(self) -> None:
        """Waits until what is unsent is out. Raises ``OSError`` when the peer is gone or does not read."""
        self._sock.settimeout(STALLED_SECONDS)
        self._sock.sendall(self.unsent)
        self._sock.settimeout(None)
        self.unsent = b""

    def cut(self) -> None:
        """Ends the connection at once, under whoever is reading or sending."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _send(self, frame: bytes) -> None:
        if self._over or self._closed:
            raise ConnectionAbortedError("the WebSocket is closed")
        self._put(frame)

    def _put(self, frame: bytes) -> None:
        if self.unsent:
            self.unsent += frame
            return
        try:
            # gevent's own send would wait.
            sent = os.write(self._sock.fileno(), frame)
        except BlockingIOError:
            sent = 0
        self.unsent = frame[sent:]

    def _receive(self) -> bytes:
        while True:
            try:
                data = self._sock.recv(RECEIVE_BYTES)
            except TimeoutError:
                continue
            except OSError:
                return b""
            if self._ignoring or len(data) == RECEIVE_BYTES:
                # With more waiting, recv never lets go of a gevent process: a flood would stop it.
                time.sleep(0)
            return data

    def _read_plain(self, data: bytes) -> Generator[str | Ping | Pong, None, bytes]:
        """The plain frames at the beginning; returns what comes after them."""
        read = 0
        for opcode, payload, end in plain_frames(data):
            try:
                message = payload.decode() if opcode == TEXT else CONTROL[opcode](payload=payload)
            except UnicodeDecodeError:
                break
            read = end
            if not self._ignoring:
                yield message
        return data[read:]

    def _read(self, event: Event) -> Iterator[str | Ping | Pong | Violation]:
        if isinstance(event, CloseConnection):
            self._broken = True
            yield self._unreadable(event)
        elif self._ignoring:
            return
        elif isinstance(event, TextMessage):
            yield from self._text(event)
        elif isinstance(event, BytesMessage):
            yield self._violation(1003, "send text")
        elif isinstance(event, Ping | Pong):
            yield event

    def _unreadable(self, event: CloseConnection) -> Violation:
        if event.reason == COMPRESSED:
            # Nobody has agreed to compress: nothing is unpacked, so its size is unknown and too much.
            return self._violation(1009, "compressed messages are not read")
        return self._violation(event.code, "this is not a frame")

    def _text(self, event: TextMessage) -> Iterator[str | Violation]:
        self._length += len(event.data.encode())
        self._fragments += event.frame_finished
        if self._length > MAX_MESSAGE_BYTES or self._fragments > MAX_FRAGMENTS:
            yield self._violation(1009, f"at most {MAX_MESSAGE_BYTES} bytes in {MAX_FRAGMENTS} fragments")
            return
        self._parts.append(event.data)
        if event.message_finished:
            message = "".join(self._parts)
            self._parts, self._length, self._fragments = [], 0, 0
            yield message

    def _violation(self, code: int, reason: str) -> Violation:
        self._ignoring = True
        self._parts = []
        return Violation(code, reason)
