"""Bad HTTP, bad paths and slow clients: each has its answer, nothing is written, nobody waits."""

import socket
import time
from collections.abc import Callable

import orjson
import pytest

from tests import raw
from tests.bad_orders import JSON, ORDERS, away, post, written
from tests.system import Person, System

# --- what the server itself has to refuse ---

HTTP: dict[str, tuple[Callable[[str], bytes], int, str]] = {
    "length and chunked": (lambda t: post(t, "Transfer-Encoding: chunked"), 400, "VALIDATION_ERROR"),
    "two lengths": (lambda t: post(t, "Content-Length: 1"), 400, "VALIDATION_ERROR"),
    "the same length twice": (
        lambda t: post(t, f"Content-Length: {len(orjson.dumps(away()))}"),
        400,
        "VALIDATION_ERROR",
    ),
    "negative length": (
        lambda t: raw.request("POST", ORDERS, f"Authorization: Bearer {t}", JSON, "Content-Length: -1"),
        400,
        "VALIDATION_ERROR",
    ),
    "length in words": (
        lambda t: raw.request("POST", ORDERS, f"Authorization: Bearer {t}", JSON, "Content-Length: ten"),
        400,
        "VALIDATION_ERROR",
    ),
    "unknown transfer coding": (
        lambda t: raw.request("POST", ORDERS, f"Authorization: Bearer {t}", "Transfer-Encoding: rot13"),
        501,
        "NOT_IMPLEMENTED",
    ),
    "two hosts": (lambda t: post(t, "Host: elsewhere"), 400, "VALIDATION_ERROR"),
    "the same host twice": (lambda t: post(t, "Host: localhost"), 400, "VALIDATION_ERROR"),
    "no host": (lambda t: raw.request("GET", "/health", host=None), 400, "VALIDATION_ERROR"),
    "empty host": (lambda t: raw.request("GET", "/health", host=""), 400, "VALIDATION_ERROR"),
    "host that is none": (lambda t: raw.request("GET", "/health", host="a b"), 400, "VALIDATION_ERROR"),
    "header over 8 KB": (lambda t: post(t, "X-Long: " + "x" * 8192), 431, "HEADERS_TOO_LARGE"),
    "too many headers": (
        lambda t: post(t, *(f"X-{n}: 1" for n in range(80))),
        431,
        "HEADERS_TOO_LARGE",
    ),
    "url over 4 KB": (lambda t: post(t, path=ORDERS + "?x=" + "x" * 4096), 414, "URI_TOO_LONG"),
    "body over 64 KB": (
        lambda t: post(t, body=orjson.dumps(away(goodsType="x" * 65536))),
        413,
        "PAYLOAD_TOO_LARGE",
    ),
    "length over 64 KB and no body yet": (
        lambda t: raw.request("POST", ORDERS, f"Authorization: Bearer {t}", JSON, "Content-Length: 9999999"),
        413,
        "PAYLOAD_TOO_LARGE",
    ),
    "chunked and no order": (
        lambda t: raw.request(
            "POST",
            ORDERS,
            f"Authorization: Bearer {t}",
            JSON,
            "Transfer-Encoding: chunked",
            body=b"2\r\n{}\r\n0\r\n\r\n",
        ),
        400,
        "VALIDATION_ERROR",
    ),
    "compressed": (lambda t: post(t, "Content-Encoding: gzip"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "says that it is compressed": (lambda t: post(t, "Content-Encoding: BR"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "compressed twice": (
        lambda t: post(t, "Content-Encoding: identity", "Content-Encoding: gzip"),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    "two slashes": (lambda t: post(t, path="/api/v1//orders"), 404, "NOT_FOUND"),
    "two slashes at the beginning": (lambda t: raw.request("GET", "//api/v1/orders"), 404, "NOT_FOUND"),
    "nothing but slashes": (lambda t: raw.request("GET", "//"), 404, "NOT_FOUND"),
    "a host for a path": (lambda t: raw.request("GET", "//evil.example/%2e%2e"), 404, "NOT_FOUND"),
    "an unknown parameter": (lambda t: post(t, path=ORDERS + "?dryRun=true"), 400, "VALIDATION_ERROR"),
    "host of another alphabet": (
        lambda t: raw.request("GET", "/health", host="<a>"),
        400,
        "VALIDATION_ERROR",
    ),
    "expectation": (lambda t: post(t, "Expect: a miracle"), 417, "EXPECTATION_FAILED"),
    "folded header": (lambda t: post(t, "X-A: 1\r\n 2"), 400, "VALIDATION_ERROR"),
    "header with a NUL": (lambda t: post(t, "X-A: 1\0"), 400, "VALIDATION_ERROR"),
    "header without a name": (lambda t: post(t, ": 1"), 400, "VALIDATION_ERROR"),
    "bare line feeds": (lambda t: b"GET /health HTTP/1.1\nHost: localhost\n\n", 400, "VALIDATION_ERROR"),
    "no request line": (lambda t: b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "VALIDATION_ERROR"),
    "another version": (lambda t: b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n", 400, "VALIDATION_ERROR"),
    "small letters for a method": (lambda t: raw.request("get", "/health"), 400, "VALIDATION_ERROR"),
    "unknown method": (lambda t: raw.request("BREW", ORDERS), 405, "METHOD_NOT_ALLOWED"),
    "unknown path": (lambda t: raw.request("GET", "/nowhere"), 404, "NOT_FOUND"),
    "path with a NUL": (lambda t: raw.request("GET", "/%00"), 404, "NOT_FOUND"),
    "path of no UTF-8": (lambda t: raw.request("GET", "/%ff%fe"), 404, "NOT_FOUND"),
    "path upwards": (lambda t: raw.request("GET", "/../../etc/passwd"), 404, "NOT_FOUND"),
}


@pytest.mark.parametrize("case", HTTP)
def test_http_that_is_wrong_is_refused_by_the_server(system: System, name: str, case: str) -> None:
    build, status, code = HTTP[case]
    answer = raw.send(system.urls[0], build(Person(system.urls[0], "customer", name).token))
    raw.assert_error(answer, status, code)
    assert written(name) == 0


# --- paths and queries ---


@pytest.mark.parametrize(
    "order", ["7", "x", "' OR 1=1 --", "%00", "019", "0" * 36, "01890000000070008000000000000000"]
)
def test_an_id_that_is_none_does_not_exist(system: System, name: str, order: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    line = f"Authorization: Bearer {asha.token}"
    path = f"{ORDERS}/{order.replace(' ', '%20')}"
    for method, end in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
        answer = raw.send(system.urls[0], raw.request(method, path + end, line, "Content-Length: 0"))
        raw.assert_error(answer, 404, "ORDER_NOT_FOUND")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=1e2", "status=none", "limit=%FF"]
)
def test_a_query_that_is_wrong_is_refused(system: System, name: str, query: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    line = f"Authorization: Bearer {asha.token}"
    raw.assert_error(
        raw.send(system.urls[0], raw.request("GET", f"{ORDERS}?{query}", line)), 400, "VALIDATION_ERROR"
    )


def test_a_flood_of_orders_gets_a_retry_after(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    answers = []
    for _ in range(8):
        answers.append(asha.order(away()))
        if answers[-1].status_code == 201:
            asha.http.post(f"/orders/{answers[-1].json()['data']['order']['id']}/cancel", json={})
    assert [answer.status_code for answer in answers] == [201] * 5 + [429] * 3
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].json()["error"]["data"]["retryAfter"] == int(answers[-1].headers["Retry-After"])


# --- slow clients ---


def test_fifty_clients_that_never_finish_keep_nobody_waiting(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    half = post(asha.token)[:-20]
    stuck = [raw.connect(system.urls[0]) for _ in range(50)]
    try:
        for number, connection in enumerate(stuck):
            connection.sendall(half if number % 2 else b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        for _ in range(5):
            assert asha.http.get("/orders/active", timeout=2).status_code == 200
        assert asha.order(away()).status_code == 201
        # Neither headers nor a body may take for ever: each of these connections is ended for it.
        answer = raw.read(stuck[1])
        raw.assert_error(answer, 408, "REQUEST_TIMEOUT")
        for connection in stuck:
            while connection.recv(4096):
                pass
    finally:
        for connection in stuck:
            connection.close()


def test_a_body_that_trickles_is_given_up(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    with raw.connect(system.urls[0]) as connection:
        connection.sendall(post(asha.token)[:-20])
        connection.settimeout(0.5)
        answer = b""
        for _ in range(30):
            try:
                answer = connection.recv(4096)
                break
            except TimeoutError:
                connection.sendall(b" ")
        assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert written(name) == 0


def test_who_hangs_up_before_the_body_has_asked_for_nothing(system: System, name: str) -> None:
    """A body that never came is not an empty one, which would call the order off without a reason."""
    asha = Person(system.urls[0], "customer", name)
    order = asha.order(away()).json()["data"]["order"]["id"]
    lines = (f"Authorization: Bearer {asha.token}", JSON, "Content-Length: 20")
    with raw.connect(system.urls[0]) as connection:
        connection.sendall(raw.request("POST", f"{ORDERS}/{order}/cancel", *lines))
        connection.shutdown(socket.SHUT_WR)
        raw.assert_error(raw.read(connection), 400, "VALIDATION_ERROR")
    assert asha.http.get("/orders/active").json()["data"]["order"]["id"] == order


def test_a_client_that_does_not_read_its_answers_is_dropped(system: System) -> None:
    requests = raw.request("GET", "/nowhere") * 200
    rest = requests
    with raw.connect(system.urls[1], receive_buffer=4096) as connection:
        connection.settimeout(1)
        begun, stalled, dropped = time.monotonic(), 0, False
        while not dropped and time.monotonic() - begun < 60:
            try:
                rest = rest[connection.send(rest) :] or requests
            except TimeoutError:
                stalled += 1
            except OSError:
                dropped = True
        assert dropped
        assert stalled >= 8
    assert "Socket error" not in system.log("web2")
