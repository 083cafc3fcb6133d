"""The head of a request costs time that grows with its length, however small the packets it comes in."""

import re
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from socket import MSG_PEEK
from typing import Any

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http.errors import (  # type: ignore[import-untyped]
    InvalidHeader,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
)

from server.handover import Handover
from server.reading import HEADERS_BYTES, Request, RequestParser
from server.roles import Roles


class Trickle:
    """A connection that hands out its bytes in pieces of this size."""

    def __init__(self, data: bytes, size: int = 1) -> None:
        self._data, self._size, self._at = data, size, 0
        self.sent = b""

    def recv(self, _: int, flags: int = 0) -> bytes:
        piece = self._data[self._at : self._at + self._size]
        if not flags & MSG_PEEK:
            self._at += self._size
        return piece

    def sendall(self, data: bytes) -> None:
        self.sent += data


REFUSED = b"HTTP/1.1 503 \r\n\r\n"


@pytest.fixture(autouse=True)
def handover(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that serves everything, and refuses nothing."""
    with closing(Handover(re.compile(rb"POST /orders[ ?]"), Roles(1))) as made:
        monkeypatch.setattr(Request, "handover", made, raising=False)
        monkeypatch.setattr(Request, "reason_to_refuse", lambda self: None, raising=False)
        monkeypatch.setattr(Request, "refusal", lambda self, head, reason: REFUSED, raising=False)
        yield


def parsed(data: bytes, size: int = 1) -> Any:
    return parsed_from(Trickle(data, size))


def parsed_from(connection: Trickle) -> Any:
    config = Config()
    config.set("limit_request_line", 4094)
    config.set("limit_request_field_size", 8190)
    config.set("limit_request_fields", 64)
    return next(RequestParser(config, connection, ("127.0.0.1", 1)))


def lines(size: int) -> bytes:
    return b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(size // 1010))


def test_a_head_that_comes_byte_by_byte_is_looked_at_once() -> None:
    head = b"GET /a HTTP/1.1\r\nHost: x\r\n" + lines(30_000) + b"\r\n"
    begun = time.thread_time()
    assert parsed(head).path == "/a"
    assert time.thread_time() - begun < 0.2


@pytest.mark.parametrize("size", [1, 7, 8192])
@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + lines(2 * HEADERS_BYTES), LimitRequestHeaders),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + lines(HEADERS_BYTES + 4_000) + b"\r\n", LimitRequestHeaders),
        (b"GET /" + b"x" * 60_000, LimitRequestLine),
        (b"GET / HTTP/1.1\r\nHost: x\nX: 1\r\n\r\n", InvalidHeader),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", NoMoreData),
    ],
)
def test_a_head_that_is_wrong_is_refused_whatever_its_packets(
    size: int, data: bytes, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        parsed(data, size)


@pytest.mark.parametrize("size", [1, 3, 8192])
def test_what_follows_a_request_belongs_to_the_next(size: int) -> None:
    both = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
    parser = RequestParser(Config(), Trickle(both, size), ("127.0.0.1", 1))
    first = next(parser)
    assert (first.path, first.body.read()) == ("/a", b"{}")
    assert next(parser).path == "/b"


def order(body: bytes, *lines: str) -> bytes:
    first = ["POST /orders HTTP/1.1", "Host: x", *lines]
    return "\r\n".join([*first, "", ""]).encode() + body


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_a_new_order_that_is_refused_is_not_parsed_and_the_next_request_is(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Request, "reason_to_refuse", lambda self: "behind")
    refused = order(b"{" + b" " * 500 + b"}", "Content-Length: 502")
    connection = Trickle(refused + b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n", size)
    # What is peeked at is longer than a piece of it.
    monkeypatch.setattr(Handover, "is_new_order", lambda self, beginning: beginning[:1] == b"P")
    assert parsed_from(connection).path == "/next"
    assert connection.sent == REFUSED


@pytest.mark.parametrize(
    "lines",
    [
        ["Transfer-Encoding: chunked"],
        ["Content-Length: 2", "Transfer-Encoding: chunked"],
        ["Content-Length: 2", "Content-Length: 3"],
        ["Content-Length: 2", "Content-Length: x"],
        ["Content-Length: 200000"],
        ["Content-Length: 2", "Expect: 100-continue"],
        ["Content-Length: 2", "X: a\nTransfer-Encoding: chunked"],
        [],
    ],
)
def test_a_request_whose_body_is_sent_in_another_way_is_left_to_the_parser(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Request, "reason_to_refuse", lambda self: "behind")
    connection = Trickle(order(b"{}", *lines), 10_000)
    with suppress(ParseException):
        parsed_from(connection)
    assert connection.sent == b""


@pytest.mark.parametrize(
    ("version", "lines"), [("1.0", []), ("1.1", ["Connection: close"]), ("1.1", ["connection: TE, Close"])]
)
def test_a_client_that_sends_one_request_only_gets_the_end_of_the_connection_after_a_refusal(
    version: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Request, "reason_to_refuse", lambda self: "behind")
    sent = order(b"{}", "Content-Length: 2", *lines).replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1)
    connection = Trickle(sent, 10_000)
    with pytest.raises(StopIteration):
        parsed_from(connection)
    assert connection.sent == b"HTTP/1.1 503 \r\nConnection: close\r\n\r\n"


def test_a_repeat_goes_to_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Request, "reason_to_refuse", lambda self: "behind")
    monkeypatch.setattr(Request, "refusal", lambda self, head, reason: None)
    assert parsed(order(b"{}", "Content-Length: 2"), 10_000).path == "/orders"
