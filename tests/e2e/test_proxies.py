"""What proxies, platforms, browsers and other people's HTTP clients send, and need to be answered."""

from datetime import timedelta

import httpx
import orjson
import pytest

from tests import raw
from tests.bad_orders import ORDERS, away, post
from tests.system import Person, System
from web.identity.issuing import issue

UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)


@pytest.mark.parametrize(
    "host", ["weelo_app", "weelo_app:8080", "API.Example.com.", "[::1]:8000", "a~b!$&'()*+,;=c", "%41.b:"]
)
def test_every_host_of_rfc_3986_is_served(system: System, host: str) -> None:
    assert raw.send(system.urls[0], raw.request("GET", "/health", host=host)).status == 200
    assert raw.send(system.urls[0], raw.request("GET", "/asyncapi.json", host=host)).status == 200


def test_probes_do_not_look_at_the_name_and_everything_else_does(system: System) -> None:
    with system.beside("named", TRUSTED_HOSTS="api.example.com, weelo_app") as url:
        for path in ("/health", "/ready", "/ready/web", "/metrics"):
            assert raw.send(url, raw.request("GET", path, host="10.1.2.3:8000")).status == 200
        for path in ("/", ORDERS, "/docs", "/openapi.json", "/api/v1/ws"):
            raw.assert_error(
                raw.send(url, raw.request("GET", path, host="10.1.2.3:8000")), 400, "VALIDATION_ERROR"
            )
        for host in ("API.example.com:443", "weelo_app", "localhost:1"):
            assert raw.send(url, raw.request("GET", "/", host=host)).status == 200


def test_a_401_says_how_to_be_let_in(system: System) -> None:
    expired = issue("customer", "asha", timedelta(seconds=-60))
    sent = {
        "": "Bearer",
        "Authorization: Basic YTpi": "Bearer",
        "Authorization: Bearer nonsense": 'Bearer error="invalid_token"',
        f"Authorization: Bearer {expired}": 'Bearer error="invalid_token"',
        "Sec-WebSocket-Protocol: bearer, nonsense": 'Bearer error="invalid_token"',
    }
    for line, challenge in sent.items():
        for path, lines in (("/api/v1/orders/active", ()), ("/api/v1/ws", UPGRADE)):
            answer = raw.send(system.urls[0], raw.request("GET", path, *lines, *([line] if line else [])))
            raw.assert_error(answer, 401, "UNAUTHENTICATED")
            assert answer.headers["www-authenticate"] == challenge


def test_the_refusal_of_a_compressed_body_names_what_is_accepted(system: System, name: str) -> None:
    token = Person(system.urls[0], "customer", name).token
    answer = raw.send(system.urls[0], post(token, "Content-Encoding: gzip"))
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "identity")
    plain = raw.send(system.urls[0], post(token, "Content-Encoding: identity"))
    assert plain.status == 201


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Idempotency-Key: abc", 'Idempotency-Key: "abc"'),
        ('Idempotency-Key: "abc"', "X-Idempotency-Key: abc"),
        ('X-Idempotency-Key: "a\\\\b\\"c"', 'Idempotency-Key: a\\b"c'),
    ],
)
def test_a_key_in_quotes_is_the_same_key(system: System, name: str, first: str, second: str) -> None:
    token = Person(system.urls[0], "customer", name).token
    placed, again = (raw.send(system.urls[0], post(token, line)) for line in (first, second))
    assert (placed.status, again.status) == (201, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.body == placed.body
    both = (
        raw.send(system.urls[0], post(token, first, second))
        if first.partition(":")[0] not in second
        else again
    )
    assert both.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("key", ['""', '"a:b"', '"' + "k" * 256 + '"', '"a b"', '"é"'])
def test_a_key_in_quotes_has_the_limits_of_any_other(system: System, name: str, key: str) -> None:
    token = Person(system.urls[0], "customer", name).token
    answer = raw.send(system.urls[0], post(token, f"Idempotency-Key: {key}"))
    raw.assert_error(answer, 400, "VALIDATION_ERROR")


def test_a_page_may_send_what_tracing_adds(system: System) -> None:
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,traceparent,tracestate",
    }
    with system.beside("pages", ALLOWED_ORIGINS="https://app.example") as url:
        answer = httpx.options(url + ORDERS, headers=asked)
        allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
        assert set(asked["Access-Control-Request-Headers"].split(",")) <= allowed


def test_a_client_that_streams_its_order_is_served(system: System, name: str) -> None:
    """Go, .NET and Ktor send a body of unknown length in chunks; httpx does so with an iterator."""
    asha = Person(system.urls[0], "customer", name)
    body = orjson.dumps(away())
    answer = asha.http.post(
        "/orders", content=iter([body[:50], body[50:]]), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 201
