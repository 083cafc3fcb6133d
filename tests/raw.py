"""HTTP as bytes: for requests that no ordinary client would send."""

import re
import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import orjson

ANSWER_SECONDS = 15.0


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    head: str
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head.split(" ", 2)[1])

    @cached_property
    def headers(self) -> dict[str, str]:
        """By lower-case name; of repeated ones the last."""
        pairs = (line.partition(":") for line in self.head.split("\r\n")[1:])
        return {name.lower(): value.strip() for name, _, value in pairs}

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found

    @property
    def code(self) -> str:
        return str(self.json.get("error", {}).get("code", ""))


def request(method: str, path: str, *lines: str, body: bytes = b"", host: str | None = "localhost") -> bytes:
    """A request of exactly these header lines, after one of ``Host``."""
    first = [f"{method} {path} HTTP/1.1"] + ([f"Host: {host}"] if host is not None else [])
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1") + body


def connect(url: str, receive_buffer: int | None = None) -> socket.socket:
    """A TCP connection to this server, with a receive buffer of so many bytes."""
    address = urlsplit(url)
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(ANSWER_SECONDS)
    connection.connect((address.hostname or "", address.port or 0))
    return connection


def send(url: str, data: bytes) -> Answer:
    """The first answer to these bytes on a fresh connection."""
    with connect(url) as connection:
        connection.sendall(data)
        return read(connection)


def read(connection: socket.socket) -> Answer:
    """One answer. Raises ``AssertionError`` if the connection ends before it does."""
    received = b""
    while True:
        head, end, rest = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if end and (length is None or len(rest) >= int(length[1])):
            return Answer(head.decode("latin-1"), rest)
        more = connection.recv(65536)
        assert more, f"cut off after {received!r}"
        received += more


def assert_error(answer: Answer, status: int, code: str = "") -> None:
    """The contract's shape of a failure: a status, a code, an id, and no trace of how it is made."""
    assert answer.status == status, (answer.head, answer.body)
    assert set(answer.json) == {"success", "error"}
    assert answer.json["success"] is False
    assert set(answer.json["error"]) <= {"code", "message", "details", "data"}
    assert answer.json["error"]["message"]
    assert re.fullmatch(r"[A-Z][A-Z_]+", answer.code)
    assert not code or answer.code == code, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.headers["x-request-id"])
    assert b"Traceback" not in answer.body
    assert b"<" not in answer.body
