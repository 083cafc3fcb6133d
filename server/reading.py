"""How a request is read from its connection: gunicorn's parser, with limits in time, size and work.

gunicorn 27.0.1 has one setting for the time between two requests and the time for the headers of one,
limits the number of headers and the size of each but not their sum, scans its whole buffer with every
packet, and accepts any number of chunks. `tests/e2e/test_reading_requests.py` fails without these.
"""

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import gevent  # type: ignore[import-untyped]
from gunicorn.http import message, parser  # type: ignore[import-untyped]
from gunicorn.http.body import Body, ChunkedReader  # type: ignore[import-untyped]
from gunicorn.http.errors import InvalidChunkSize, LimitRequestHeaders, NoMoreData  # type: ignore[import-untyped]

from server.handover import PEEKED_BYTES, Handover

# The time for the head of a request from its first byte on; of a new connection, for the first byte too.
HEAD_SECONDS = 3.0
# All headers together; proxies accept 8 to 64 KB.
HEADERS_BYTES = 32 * 1024
# A chunk costs some 10 µs to read, however short. Clients send chunks of 4 KB and more.
MOST_CHUNKS = 1024
# What is read and thrown away of a body that was refused, so that its client reads the answer.
DRAINED_BYTES = 1024 * 1024
END = b"\r\n\r\n"
# The length of a body, up to what the application accepts; it refuses longer ones itself.
BODY_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,5})(?=\r\n|$)", re.IGNORECASE)
# Headers that say in another way how a body is sent.
UNUSUAL = re.compile(
    rb"\r\n(expect|transfer-encoding)|content-length(?!:[ \t]*[0-9]{1,5}(\r\n|$))", re.IGNORECASE
)
# A client that sends no other request on this connection.
CLOSES = re.compile(rb"^[^\r]*HTTP/1\.0(?=\r\n|$)|\r\nconnection:[^\r]*\bclose\b", re.IGNORECASE)
# When a process stops, a client that connected last may have its first request on the way. A connection that
# was served before loses nothing by being closed at once.
FIRST_REQUEST_SECONDS = 0.5


class Idle:
    """The connections from which no request has come yet, so that a process that stops can end them."""

    def __init__(self) -> None:
        self._served: set[Any] = set()
        self._new: set[Any] = set()
        self._closes_served = self._closes_new = False

    @contextmanager
    def waiting(self, client: Any, served: bool) -> Iterator[None]:
        """While the block reads from this client; ``served`` says whether it had an answer before."""
        if self._closes_served if served else self._closes_new:
            _end(client)
        clients = self._served if served else self._new
        clients.add(client)
        try:
            yield
        finally:
            clients.discard(client)

    def leave(self) -> None:
        """Ends the waiting of the connections that have been served."""
        self._closes_served = True
        for client in list(self._served):
            _end(client)

    def leave_new(self) -> None:
        """Ends that of the others a moment later: no connection is accepted any more."""
        gevent.spawn_later(FIRST_REQUEST_SECONDS, self._leave_new)

    def _leave_new(self) -> None:
        self._closes_new = True
        for client in list(self._new):
            _end(client)


idle = Idle()


def _end(client: Any) -> None:
    """The reader gets what has arrived already, or the end. Through a second descriptor: gevent's `shutdown`
    of the first would raise an error in the reader and drop what has arrived.
    """
    with suppress(OSError), socket.socket(fileno=os.dup(client.fileno())) as same:
        same.shutdown(socket.SHUT_RD)


class Chunks(ChunkedReader):  # type: ignore[misc]
    """A chunked body of at most ``MOST_CHUNKS`` chunks."""

    _count = 0

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> Any:
        self._count += 1
        if self._count > MOST_CHUNKS:
            raise InvalidChunkSize(b"too many chunks")
        return super().parse_chunk_size(unreader, data)


class Request(message.Request):  # type: ignore[misc]
    """gunicorn's request, whose head is gathered first, in the process that serves it."""

    handover: Handover
    # The application's: why the next new order is refused, if it is, and the response to its head then.
    reason_to_refuse: Callable[[], str | None]
    refusal: Callable[[bytes, str], bytes | None]
    body: Any

    def parse(self, unreader: Any) -> Any:
        # Also the bound of a chunked body's trailers.
        self.max_buffer_headers = HEADERS_BYTES
        served = self.req_number > 1
        while True:
            with nullcontext() if served else _in_time():
                first, reason = self._first_bytes(unreader, served)
                with _in_time() if served else nullcontext():
                    head = self._head(unreader, first)
                    if not (reason and self._has_refused(unreader, head, reason)):
                        unreader.unread(head)
                        return super().parse(unreader)
            served = True

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> Any:
        if len(data) > HEADERS_BYTES:
            raise LimitRequestHeaders("all headers")
        return super().parse_headers(data, from_trailer)

    def set_body_reader(self) -> None:
        super().set_body_reader()
        if isinstance(self.body.reader, ChunkedReader):
            self.body = Body(Chunks(self, self.unreader))

    def _first_bytes(self, unreader: Any, served: bool) -> tuple[bytes, str | None]:
        """The beginning of the next request, and why it is refused if it is a new order that is."""
        reason = None
        try:
            if not unreader.buf.getvalue():
                with idle.waiting(unreader.sock, served):
                    beginning = unreader.sock.recv(PEEKED_BYTES, socket.MSG_PEEK)
                if not beginning or self.handover.hands_over(unreader.sock, beginning):
                    raise StopIteration
                if self.handover.is_new_order(beginning):
                    reason = self.reason_to_refuse()
            first: bytes = unreader.read()
        except OSError:
            # The wait was ended, or the client is gone.
            first = b""
        if not first:
            raise StopIteration
        return first, reason

    def _has_refused(self, unreader: Any, got: bytes, reason: str) -> bool:
        """Answers a request from what has been read of it, unless the application must see it."""
        head, end, body = got.partition(END)
        lengths = BODY_LENGTH.findall(head)
        if not end or len(lengths) != 1 or UNUSUAL.search(head) or _has_bare_feed(bytearray(head), 0):
            return False
        if (response := self.refusal(head, reason)) is None:
            return False
        length = int(lengths[0])
        while len(body) < length:
            if not (more := unreader.read()):
                raise NoMoreData(b"")
            body += more
        unreader.unread(body[length:])
        if CLOSES.search(head):
            # A client of HTTP/1.0 may read until the end of the connection.
            unreader.sock.sendall(response.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            raise StopIteration
        unreader.sock.sendall(response)
        return True

    def _head(self, unreader: Any, first: bytes) -> bytes:
        """All bytes up to the end of the head, or as many as show that it is wrong, each looked at once."""
        head, new = bytearray(first), 0
        most = self.limit_request_line + HEADERS_BYTES
        while head.find(END, max(0, new - 3)) < 0 and not _has_bare_feed(head, new):
            if len(head) > most and b"\r\n" in head[2 : self.limit_request_line]:
                raise LimitRequestHeaders("all headers")
            if len(head) > most:
                break
            new = len(head)
            if not (more := unreader.read()):
                raise NoMoreData(b"")
            head += more
        return bytes(head)


class RequestParser(parser.RequestParser):  # type: ignore[misc]
    """gunicorn's parser with that request, which does not wait long for what is left of a refused body."""

    mesg_class = Request

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        deadline = deadline or time.monotonic() + HEAD_SECONDS
        done: bool = super().finish_body(deadline, max_bytes or DRAINED_BYTES)
        return done


def _in_time() -> Any:
    return gevent.Timeout(HEAD_SECONDS, NoMoreData(b""))


def _has_bare_feed(head: bytearray, start: int) -> bool:
    """Whether a line feed from here on has no carriage return before it."""
    return head.count(b"\n", start) != head.count(b"\r\n", max(0, start - 1))
