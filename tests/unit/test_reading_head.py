"""The head of a request costs time that grows with its length, however small the packets it comes in."""

import socket
import time
from typing import Any

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http.errors import (  # type: ignore[import-untyped]
    InvalidHeader,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
)

from server.reading import HEADERS_BYTES, Request, RequestParser


class OnlyProcess:
    """A handover that has nobody to hand over to."""

    def hands_over(self, *_: object) -> bool:
        return False


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Request, "handover", OnlyProcess(), raising=False)


class Trickle:
    """A connection that hands out its bytes in pieces of this size."""

    def __init__(self, data: bytes, size: int = 1) -> None:
        self._data, self._size, self._at = data, size, 0

    def recv(self, _: int, flags: int = 0) -> bytes:
        piece = self._data[self._at : self._at + self._size]
        if not flags & socket.MSG_PEEK:
            self._at += self._size
        return piece


def parsed(data: bytes, size: int = 1) -> Any:
    config = Config()
    config.set("limit_request_line", 4094)
    config.set("limit_request_field_size", 8190)
    config.set("limit_request_fields", 64)
    return next(RequestParser(config, Trickle(data, size), ("127.0.0.1", 1)))


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
