"""`deploy/nginx.conf` with Debian's nginx, in front of the real `web` and of servers that do not answer."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests import nginx, raw
from tests.bad_orders import ORDERS
from tests.system import System, on_duty
from tools.local import ports
from web.identity.issuing import issue

Front = Callable[..., str]
# A server is silent for 1 s at most.
SOON_SILENT = {
    "proxy_read_timeout 60s": "proxy_read_timeout 1s",
    "proxy_read_timeout 8s": "proxy_read_timeout 1s",
}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Puts nginx in front of an address and returns its own."""
    # Its worker has another account, and is to write there.
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        directory.chmod(0o755)
    with ExitStack() as stack:
        yield lambda *webs: stack.enter_context(nginx.running(webs, tmp_path, SOON_SILENT))


@contextmanager
def _answering(head: str) -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server that answers one request so, and what it has heard by the end of the block."""
    heard: list[bytes] = []

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            heard.append(connection.recv(65536))
            connection.sendall(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=answer)
        thread.start()
        yield _address(server), heard
        thread.join()


def _address(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_driver_behind_nginx_has_a_socket_and_http(system: System, front: Front, name: str) -> None:
    driver = on_duty(front(system.urls[0]), name)
    with driver.socket() as opened:
        assert driver.role in opened.recv(timeout=5)


def test_a_server_that_is_away_is_the_contracts_503(front: Front) -> None:
    url = front(f"http://127.0.0.1:{ports.free()}")
    answer = raw.send(
        url, raw.request("POST", ORDERS, "Content-Length: 2", "X-Request-ID: abc-1", body=b"{}")
    )
    raw.assert_error(answer, 503, "SERVICE_UNAVAILABLE")
    assert (answer.headers["retry-after"], answer.headers["x-request-id"]) == ("2", "abc-1")
    assert answer.headers["content-type"] == "application/json"
    other = raw.send(url, raw.request("GET", "/", "X-Request-ID: not well formed"))
    assert len(other.headers["x-request-id"]) == 32


def test_a_server_that_is_silent_is_the_contracts_503(front: Front) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = raw.send(front(_address(silent)), raw.request("GET", "/ready"))
    raw.assert_error(answer, 503, "SERVICE_UNAVAILABLE")
    assert answer.headers["retry-after"] == "2"


def test_an_order_that_one_server_does_not_answer_is_sent_to_another(front: Front) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, _answering("201 CREATED") as (web, heard):
        url = front(_address(silent), web)
        sent = {"X-Idempotency-Key": "the-same"}
        assert httpx.post(f"{url}{ORDERS}", headers=sent, timeout=20).status_code == 201
    assert b"the-same" in heard[0]


def test_web_hears_the_callers_address_and_not_what_the_caller_wrote(front: Front) -> None:
    with _answering("200 OK") as (web, heard):
        sent = {"X-Forwarded-For": "203.0.113.9", "Host": "api.example.com:443", "X-Request-ID": "mine"}
        assert httpx.get(f"{front(web)}/a//b?c=%20d", headers=sent).status_code == 200
    first, *lines = heard[0].decode().split("\r\n")
    assert first == "GET /a//b?c=%20d HTTP/1.1"
    assert {"X-Forwarded-For: 127.0.0.1", "Host: api.example.com:443", "X-Request-ID: mine"} <= set(lines)


def test_what_is_too_long_is_refused_as_web_refuses_it(system: System, front: Front) -> None:
    url = front(system.urls[0])
    token = f"Authorization: Bearer {issue('customer', 'asha', timedelta(minutes=1))}"
    for size in (65536, 65537, 1_000_000):
        lines = (token, "Content-Type: application/json", f"Content-Length: {size}")
        answer = raw.send(url, raw.request("POST", ORDERS, *lines, body=b" " * size))
        if size <= 65536:
            raw.assert_error(answer, 400, "VALIDATION_ERROR")
        else:
            raw.assert_error(answer, 413, "PAYLOAD_TOO_LARGE")
    raw.assert_error(raw.send(url, raw.request("GET", "/" + "a" * 5000)), 414, "URI_TOO_LONG")
    raw.assert_error(raw.send(url, raw.request("GET", ORDERS, "X: " + "a" * 9000)), 431, "HEADERS_TOO_LARGE")
