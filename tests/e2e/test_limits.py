"""Limits and headers of real web processes: floods, foreign pages, foreign hosts, crowded addresses."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.sync.client import ClientConnection, connect

from tests import raw, scenes
from tests.bad_orders import away
from tests.system import Person, System, hear, until

PAGE = "https://app.weelo.test"
PATH = "/api/v1/orders/active"


@pytest.fixture(scope="module")
def narrow(system: System) -> Iterator[str]:
    """A web process with small limits, a page, host names, and this machine as its proxy."""
    with system.beside(
        "narrow",
        READS_PER_MINUTE="5",
        READS_PER_MINUTE_PER_ADDRESS="8",
        SOCKETS_PER_ADDRESS="3",
        TRUSTED_PROXIES="127.0.0.1",
        TRUSTED_HOSTS="api.weelo.test, .weelo.example",
        ALLOWED_ORIGINS=PAGE,
    ) as url:
        yield url


def read(url: str, who: Person, address: str = "", *lines: str, path: str = PATH) -> raw.Answer:
    more = [f"X-Forwarded-For: {address}"] if address else []
    return raw.send(url, raw.request("GET", path, f"Authorization: Bearer {who.token}", *more, *lines))


# The longest test that counts takes less, on a busy machine too.
WINDOW_SECONDS = 6.0


@pytest.fixture
def _whole_window() -> None:
    """Waits if the minute is about to end, so that the requests of a test fall into one."""
    if (left := 60 - time.time() % 60) < WINDOW_SECONDS:
        time.sleep(left + 0.1)


counts = pytest.mark.usefixtures("_whole_window")


@counts
def test_a_caller_who_reads_too_much_gets_429_and_a_retry_after(narrow: str, name: str) -> None:
    asha, ravi = (Person(narrow, "customer", name + letter) for letter in "ab")
    answers = [read(narrow, asha) for _ in range(7)]
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 2
    raw.assert_error(answers[-1], 429, "RATE_LIMIT_EXCEEDED")
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [
        f'"caller";r={left}' for left in (4, 3, 2, 1, 0, 0, 0)
    ]
    assert all(answer.headers["ratelimit-policy"] == '"caller";q=5;w=60' for answer in answers)
    wait = int(answers[-1].headers["retry-after"])
    assert 1 <= wait <= 60
    assert answers[-1].headers["ratelimit"].endswith(f";t={wait}")
    assert read(narrow, ravi).status == 200


@counts
def test_an_address_that_reads_too_much_is_refused_whatever_it_claims_to_be(narrow: str, name: str) -> None:
    people = [Person(narrow, "customer", f"{name}{n}") for n in range(10)]
    statuses = [read(narrow, person, "198.51.100.1").status for person in people]
    assert statuses == [200] * 8 + [429] * 2
    assert read(narrow, people[0], "198.51.100.2").status == 200


@counts
def test_guesses_at_tokens_count_for_their_address(narrow: str) -> None:
    line = "X-Forwarded-For: 198.51.100.3"
    guess = raw.request("POST", "/api/v1/orders", "Authorization: Bearer a.b.c", line, "Content-Length: 0")
    assert [raw.send(narrow, guess).status for _ in range(10)] == [401] * 8 + [429] * 2


@counts
def test_orders_say_their_limit(system: System, name: str) -> None:
    asha = Person(system.urls[0], "customer", name)
    far = {"latitude": -40.0, "longitude": 170.0, "address": "far away"}
    for _ in range(5):
        order = asha.order(scenes.body(pickup=far))
        assert order.headers["RateLimit-Policy"] == '"orders";q=5;w=60'
        asha.http.post(f"/orders/{order.json()['data']['order']['id']}/cancel", json={})
    refused = asha.order(scenes.body(pickup=far))
    assert refused.status_code == 429
    assert refused.headers["RateLimit"] == f'"orders";r=0;t={refused.headers["Retry-After"]}'


@counts
def test_a_refusal_for_a_flood_comes_after_a_pause(narrow: str, name: str) -> None:
    asha = Person(narrow, "customer", name)
    while read(narrow, asha).status == 200:
        pass
    begun = time.monotonic()
    assert read(narrow, asha).status == 429
    assert time.monotonic() - begun >= 0.5


def test_a_caller_who_is_too_fast_waits_and_nobody_else_does(system: System, name: str) -> None:
    with system.beside("paced", REQUESTS_PER_SECOND="5") as url:
        asha, ravi = (Person(url, "customer", name + letter) for letter in "ab")
        with ThreadPoolExecutor(20) as pool:
            flood = [pool.submit(read, url, asha) for _ in range(20)]
            while not any(request.done() for request in flood):
                time.sleep(0.01)
            assert read(url, ravi).status == 200
            assert not all(request.done() for request in flood)
        answers = [request.result() for request in flood]
    refused = [answer for answer in answers if answer.status == 429]
    # Two seconds' worth at once, one second's in turn.
    assert 15 <= len(answers) - len(refused) <= 18
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}


def uncounted(url: str, limit: str) -> int:
    """How many requests have passed this limit without being counted, by the metric."""
    told = httpx.get(f"{url}/metrics").text
    return int(float(told.partition(f'weelo_limit_uncounted_total{{limit="{limit}"}} ')[2].split()[0]))


@counts
def test_without_redis_reads_are_answered(system: System, name: str) -> None:
    with system.beside("lonely", REDIS_URL="redis://127.0.0.1:1/0", READS_PER_MINUTE="1") as url:
        asha = Person(url, "customer", name)
        assert [read(url, asha).status for _ in range(5)] == [200] * 5
        assert "reads not counted" in system.log("lonely")
        assert uncounted(url, "reads") == 5


def test_without_redis_orders_are_taken_and_a_metric_says_that_their_limit_is_open(
    system: System, name: str
) -> None:
    with system.beside("open", REDIS_URL="redis://127.0.0.1:1/0", ORDERS_PER_MINUTE="1") as url:
        asha = Person(url, "customer", name)
        for number in range(1, 4):
            order = asha.order(away(), Prefer="respond-async").json()["data"]["order"]["id"]
            assert asha.http.post(f"/orders/{order}/cancel", json={}).status_code == 200
            assert uncounted(url, "orders") == number


# --- sockets of one address ---


def socket(url: str, who: Person, address: str = "198.51.100.9") -> AbstractContextManager[ClientConnection]:
    headers = {"Authorization": f"Bearer {who.token}", "X-Forwarded-For": address}
    opened: AbstractContextManager[ClientConnection] = connect(
        url.replace("http", "ws") + "/api/v1/ws", additional_headers=headers
    )
    return opened


def test_an_address_has_so_many_sockets_and_no_more(narrow: str, name: str) -> None:
    people = [Person(narrow, "customer", f"{name}{n}") for n in range(4)]
    with ExitStack() as held:
        for person in people[:2]:
            hear(held.enter_context(socket(narrow, person)), "connected")
        with socket(narrow, people[2]) as third:
            hear(third, "connected")
            with pytest.raises(InvalidStatus) as refused, socket(narrow, people[3]):
                pass
            assert refused.value.response.status_code == 429
            assert refused.value.response.headers["Retry-After"]
            with socket(narrow, people[3], "198.51.100.10") as elsewhere:
                hear(elsewhere, "connected")
        until(partial(_let_in, narrow, people[3]), 5)


def _let_in(url: str, who: Person) -> bool:
    try:
        with socket(url, who) as app:
            return bool(hear(app, "connected"))
    except InvalidStatus:
        return False


# --- every door has a pace ---


@pytest.fixture(scope="module")
def doors(system: System) -> Iterator[str]:
    """A web process that lets one person change and open little, behind this machine as its proxy."""
    limits = {
        "WRITES_PER_MINUTE": "5",
        "SOCKET_OPENINGS_PER_MINUTE": "5",
        "READS_PER_MINUTE_PER_ADDRESS": "8",
    }
    with system.beside("doors", **limits, TRUSTED_PROXIES="127.0.0.1") as url:
        yield url


def refusal(url: str, who: Person, address: str) -> Response | None:
    """What the socket's door answers in place of the upgrade."""
    try:
        with socket(url, who, address) as app:
            hear(app, "connected")
    except InvalidStatus as refused:
        return refused.response
    return None


@counts
def test_one_person_opens_so_many_sockets_a_minute_and_others_of_the_same_address_do_too(
    doors: str, name: str
) -> None:
    people = [Person(doors, "customer", f"{name}{n}") for n in range(12)]
    answers = [refusal(doors, people[0], "198.51.100.21") for _ in range(7)]
    assert [answer.status_code if answer else 101 for answer in answers] == [101] * 5 + [429] * 2
    refused = answers[-1]
    assert refused is not None
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit-Policy"] == '"sockets";q=5;w=60'
    assert b"More than 5 sockets in a minute." in refused.body
    # More than this address may read in a minute.
    assert [refusal(doors, person, "198.51.100.21") for person in people[1:]] == [None] * 11


@counts
def test_guesses_at_tokens_in_the_handshake_count_for_their_address(doors: str) -> None:
    handshake = (
        "Authorization: Bearer a.b.c",
        "X-Forwarded-For: 198.51.100.22",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    guess = raw.request("GET", "/api/v1/ws", *handshake)
    assert [raw.send(doors, guess).status for _ in range(10)] == [401] * 8 + [429] * 2


@counts
def test_what_needs_no_token_counts_for_its_address_and_probes_are_never_refused(doors: str) -> None:
    line = "X-Forwarded-For: 198.51.100.23"
    for path in ("/openapi.json", "/docs", "/console", "/"):
        raw.send(doors, raw.request("GET", path, line))
    pages = [raw.send(doors, raw.request("GET", "/asyncapi.json", line)).status for _ in range(6)]
    assert pages == [200] * 4 + [429] * 2
    for path in ("/health", "/ready", "/metrics"):
        assert raw.send(doors, raw.request("GET", path, line)).status in (200, 503)


@counts
def test_what_changes_something_has_a_quota_for_each_person(doors: str, name: str) -> None:
    ravi, meera = (Person(doors, "driver", name + letter) for letter in "ab")
    answers = [ravi.http.put("/drivers/me/availability", json={"available": True}) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [404] * 5 + [429] * 2
    assert answers[-1].headers["RateLimit-Policy"] == '"writes";q=5;w=60'
    assert answers[-1].json()["error"]["message"] == "More than 5 changes in a minute."
    assert meera.http.put("/drivers/me/availability", json={"available": True}).status_code == 404
    # Reading what is left has a quota of its own.
    assert ravi.http.get("/drivers/me").status_code == 404


# --- headers ---

SECURITY = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


@pytest.mark.parametrize(
    "request_bytes",
    [
        raw.request("GET", "/health"),
        raw.request("GET", "/nowhere"),
        raw.request("GET", PATH),
        raw.request("OPTIONS", PATH),
        raw.request("GET", "/api/v1/ws"),
        raw.request("GET", "/health", "X-Long: " + "x" * 9000),
        b"nonsense\r\n\r\n",
    ],
    ids=["200", "404", "401", "204", "426", "431", "400"],
)
def test_every_answer_says_what_a_browser_may_do_with_it(system: System, request_bytes: bytes) -> None:
    answer = raw.send(system.urls[0], request_bytes)
    assert SECURITY.items() <= answer.headers.items()
    assert "access-control-allow-origin" not in answer.headers


HOST = "Host: api.weelo.test"


def asked(url: str, method: str, path: str, *lines: str) -> raw.Answer:
    return raw.send(url, raw.request(method, path, HOST, *lines, host=None))


def test_a_page_of_ours_may_ask_with_its_headers_and_read_the_answer(narrow: str) -> None:
    answer = asked(
        narrow,
        "OPTIONS",
        "/api/v1/orders",
        f"Origin: {PAGE}",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization, x-idempotency-key",
    )
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert {"authorization", "x-idempotency-key", "content-type"} <= set(re.split(", *", allowed))
    assert "access-control-allow-credentials" not in answer.headers
    refused = asked(narrow, "GET", PATH, f"Origin: {PAGE}")
    assert refused.status == 401
    assert refused.headers["access-control-allow-origin"] == PAGE
    assert refused.headers["vary"] == "Origin"
    assert "X-Request-ID" in refused.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.test",
        "null",
        PAGE + ".evil.test",
        "http://app.weelo.test",
        PAGE + "/",
        "*",
        "",
        PAGE.upper(),
    ],
)
@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_no_other_page_may(narrow: str, method: str, origin: str) -> None:
    answer = asked(narrow, method, PATH, f"Origin: {origin}", "Access-Control-Request-Method: GET")
    assert not [header for header in answer.headers if header.startswith("access-control-")]
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.weelo.test", 200),
        ("api.weelo.test:8000", 200),
        ("a.weelo.example", 200),
        ("127.0.0.1", 200),
        ("evil.test", 400),
        ("api.weelo.test.evil.test", 400),
        ("evilweelo.example", 400),
        ("api.weelo.test@evil.test", 400),
    ],
)
def test_only_hosts_that_are_named_are_answered(narrow: str, host: str, status: int) -> None:
    answer = raw.send(narrow, raw.request("GET", "/", host=host))
    assert answer.status == status
    if status == 400:
        raw.assert_error(answer, 400, "VALIDATION_ERROR")
