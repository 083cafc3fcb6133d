"""How requests are read from their connections: limits in size, in time and in what a stop waits for."""

import socket
import time
from contextlib import ExitStack

import orjson
import pytest

from tests import raw
from tests.bad_orders import JSON, ORDERS, away
from tests.system import Person, System

ASK = raw.request("GET", "/health")


def lines_of(size: int) -> list[str]:
    """Header lines of so many bytes together."""
    return [f"X-{number}: " + "x" * 1000 for number in range(size // 1008)]


def chunked(token: str, *chunks: bytes, coding: str = "chunked") -> bytes:
    lines = (f"Authorization: Bearer {token}", JSON, f"Transfer-Encoding: {coding}")
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return raw.request("POST", ORDERS, *lines, body=sent)


def test_all_headers_together_may_have_32_kb(system: System) -> None:
    long = raw.request("GET", "/health", *lines_of(30_000))
    assert raw.send(system.urls[0], long).status == 200
    for size in (34_000, 60_000):
        answer = raw.send(system.urls[0], raw.request("GET", "/health", *lines_of(size)))
        raw.assert_error(answer, 431, "HEADERS_TOO_LARGE")


# --- chunked bodies ---


def test_a_chunked_body_is_read_as_any_other(system: System, name: str) -> None:
    asha, order = Person(system.urls[0], "customer", name), orjson.dumps(away())
    with raw.connect(system.urls[0]) as line:
        for part in (len(order), 100, 7):
            pieces = [order[at : at + part] for at in range(0, len(order), part)]
            # Whatever was read of this request, the next one on this connection is whole.
            line.sendall(chunked(asha.token, *pieces) + ASK)
            answer = raw.read(line)
            assert answer.status == 201, answer.body
            placed = orjson.loads(answer.body[: int(answer.headers["content-length"])])
            rest = answer.body[int(answer.headers["content-length"]) :]
            assert (rest or line.recv(4096)).startswith(b"HTTP/1.1 200 ")
            asha.http.post(f"/orders/{placed['data']['order']['id']}/cancel", json={})


def test_a_chunked_body_has_the_limit_of_any_other(system: System, name: str) -> None:
    token = Person(system.urls[0], "customer", name).token
    answer = raw.send(system.urls[0], chunked(token, *[b" " * 8192] * 9))
    raw.assert_error(answer, 413, "PAYLOAD_TOO_LARGE")


def test_more_chunks_than_anybody_needs_are_refused(system: System, name: str) -> None:
    """Of single bytes, 64 KB would cost half a second."""
    token = Person(system.urls[0], "customer", name).token
    order = orjson.dumps(away())
    for spaces, status in ((900, 201), (2000, 400)):
        answer = raw.send(system.urls[0], chunked(token, order, *[b" "] * spaces))
        assert answer.status == status, answer.body


@pytest.mark.parametrize(
    "body", [b"x\r\n{}\r\n0\r\n\r\n", b"2\r\n{}}\r\n0\r\n\r\n", b"-2\r\n{}\r\n", b"0\r\n: x\r\n\r\n"]
)
def test_malformed_chunks_are_refused_and_end_the_connection(system: System, name: str, body: bytes) -> None:
    token = Person(system.urls[0], "customer", name).token
    head = raw.request("POST", ORDERS, f"Authorization: Bearer {token}", JSON, "Transfer-Encoding: chunked")
    with raw.connect(system.urls[0]) as line:
        line.sendall(head + body)
        raw.assert_error(raw.read(line), 400, "VALIDATION_ERROR")
        assert line.recv(4096) == b""


def test_a_compressed_transfer_is_refused(system: System, name: str) -> None:
    token = Person(system.urls[0], "customer", name).token
    raw.assert_error(raw.send(system.urls[0], chunked(token, b"{}", coding="gzip, chunked")), 501)


# --- time ---


def test_a_connection_may_be_idle_for_longer_than_a_client_has_for_its_headers(
    system: System, name: str
) -> None:
    """A balancer keeps connections for a minute; when the server closed first, every third POST failed."""
    asha = Person(system.urls[0], "customer", name)
    with raw.connect(system.urls[0]) as line:
        line.sendall(ASK)
        raw.read(line)
        time.sleep(4)
        body = orjson.dumps(away())
        lines = (f"Authorization: Bearer {asha.token}", JSON, f"Content-Length: {len(body)}")
        line.sendall(raw.request("POST", ORDERS, *lines, body=body))
        assert raw.read(line).status == 201


@pytest.mark.parametrize("before", [b"", ASK])
def test_headers_that_trickle_are_given_up_on_every_connection(system: System, before: bytes) -> None:
    with raw.connect(system.urls[0]) as line:
        if before:
            line.sendall(before)
            raw.read(line)
        begun = time.monotonic()
        line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        line.settimeout(0.2)
        while time.monotonic() - begun < 15:
            try:
                assert line.recv(4096) == b""
                break
            except ConnectionError:
                break
            except TimeoutError:
                line.sendall(b"X")
        assert 2 < time.monotonic() - begun < 10


def test_a_stop_does_not_wait_for_idle_connections(system: System) -> None:
    with ExitStack() as stack:
        with system.beside("leaving", WEB_CONCURRENCY="2") as url:
            idle = [stack.enter_context(raw.connect(url)) for _ in range(32)]
            for line in idle:
                line.sendall(ASK)
                raw.read(line)
            for _ in range(4):
                idle.append(stack.enter_context(raw.connect(url)))
            begun = time.monotonic()
        # New connections have a second for their first request; idle ones could stay for minutes.
        assert time.monotonic() - begun < 15
        for line in idle:
            assert line.recv(4096) == b""


def test_a_request_that_arrives_as_the_server_leaves_is_answered(system: System) -> None:
    with ExitStack() as stack:
        with system.beside("parting") as url:
            line = stack.enter_context(raw.connect(url))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.sendall(ASK)
            raw.read(line)
            line.sendall(ASK)
        assert raw.read(line).status == 200
