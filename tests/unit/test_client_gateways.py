"""What stands between an app and the system answers too: none of that decides anything."""

import asyncio
import gzip
import json
from collections.abc import Callable

import httpx
import pytest
from weelo_client import (
    AsyncCustomer,
    Customer,
    Driver,
    NoAnswer,
    Placed,
    Queued,
    Refused,
    Undecided,
    calls,
    retrying,
)
from weelo_client.shapes import NewOrder

BODY: NewOrder = {"distanceKm": 1, "vehicleRequirements": []}
URL = "http://weelo.test"
QUEUED = {"success": True, "data": {"order": {"id": "o", "status": "queued"}}}
PLACED = {
    "success": True,
    "data": {"order": {"id": "o"}, "truckRequests": [], "broadcastSummary": {}, "timeoutSeconds": 60},
}
TAKEN = {
    "success": False,
    "error": {"code": "ACTIVE_ORDER_EXISTS", "message": "m", "data": {"activeOrderId": "x"}},
}
HTML = b"<html><body><h1>Hello</h1></body></html>"

Says = Callable[[httpx.Request], httpx.Response]


def says(status: int, content: bytes = b"", **headers: str) -> Says:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request: httpx.Response(status, content=content, headers=named)


def as_json(status: int, body: object) -> Says:
    return says(status, json.dumps(body).encode(), content_type="application/json")


def breaks(error: type[httpx.RequestError]) -> Says:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("broken", request=request)

    return answer


def broken_gzip(_request: httpx.Request) -> httpx.Response:
    content = gzip.compress(HTML)[:-12] + b"not gzip at all"
    return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(content))


NO_ANSWERS: dict[str, Says] = {
    "200 with HTML": says(200, HTML),
    "200 with the order, which is no status of the contract": as_json(200, PLACED),
    "201 with HTML": says(201, HTML),
    "201 without a body": says(201),
    "201 without the trucks": as_json(201, QUEUED),
    "202 that cannot be read": says(202, b'{"success": true, "data": {"ord'),
    "202 without an order": as_json(202, {"success": True, "data": {}}),
    "202 of others": as_json(202, {"message": "accepted"}),
    "204": says(204),
    "a captive portal": says(302, HTML, location="http://portal.test/login"),
    "308": says(308, b"", location="http://weelo.test/api/v1/orders/"),
    "a firewall's 403": says(403, HTML),
    "a gateway's 401": as_json(401, {"message": "Unauthorized"}),
    "a gateway's 404": as_json(404, {"message": "no Route matched"}),
    "a gateway's 408": says(408, HTML),
    "a gateway's 413": says(413, HTML),
    "a gateway's 429": says(429, b"slow down"),
    "a gateway's 500": as_json(500, {"error": "internal"}),
    "502": says(502, HTML),
    "503": says(503, HTML, retry_after="soon"),
    "504": as_json(504, {"error": {"code": 504, "message": "upstream timed out"}}),
    "an error without success": as_json(409, {"error": {"code": "ACTIVE_ORDER_EXISTS"}}),
    "an error that is text": as_json(400, {"success": False, "error": "bad"}),
    "a list": as_json(400, []),
    "null": as_json(400, None),
    "nesting without end": says(400, b"[" * 100_000),
    "no UTF-8": says(400, b'{"success": false, "error": {"code": "\xff\xfe"}}'),
    "a body cut short": breaks(httpx.RemoteProtocolError),
    "a body that cannot be unpacked": broken_gzip,
    "too many redirects": breaks(httpx.TooManyRedirects),
    "a time-out": breaks(httpx.ReadTimeout),
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE_S", 0.01)


def ordered(*answers: Says) -> tuple[object, list[str]]:
    """What becomes of an order that gets these answers, the last one for ever, and the keys sent."""
    left, keys = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["X-Idempotency-Key"])
        return (left.pop(0) if len(left) > 1 else left[0])(request)

    async def awaited() -> object:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            return await AsyncCustomer(URL, "token", http).order(BODY, key="mine", within=0.1)

    found: list[object] = []
    runs: tuple[Callable[[], object], ...] = (lambda: _blocking(answer), lambda: asyncio.run(awaited()))
    for run in runs:
        left[:] = answers
        try:
            found.append(run())
        except NoAnswer as error:
            found.append(type(error))
    assert found[0] == found[1]
    return found[0], keys


def _blocking(answer: Says) -> object:
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        return Customer(URL, "token", http).order(BODY, key="mine", within=0.1)


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_what_is_not_ours_leaves_an_order_undecided_and_is_asked_again(case: str) -> None:
    outcome, keys = ordered(NO_ANSWERS[case])
    assert outcome is Undecided
    assert len(keys) > 2
    assert set(keys) == {"mine"}


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_after_it_the_systems_own_answer_counts(case: str) -> None:
    placed, _ = ordered(NO_ANSWERS[case], as_json(201, PLACED))
    assert isinstance(placed, Placed)
    queued, _ = ordered(NO_ANSWERS[case], as_json(202, QUEUED))
    assert isinstance(queued, Queued)
    refused, keys = ordered(NO_ANSWERS[case], as_json(409, TAKEN))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.active_order_id, len(keys)) == ("ACTIVE_ORDER_EXISTS", "x", 4)


def test_any_other_call_has_no_answer_either() -> None:
    for case, answer in NO_ANSWERS.items():
        with httpx.Client(transport=httpx.MockTransport(answer)) as http:
            driver = Driver(URL, "token", http)
            with pytest.raises(NoAnswer):
                assert driver._door.do(calls.available(True), within=0) is None, case


@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://127.0.0.1:1", "nonsense"])
def test_proxies_of_the_environment_are_not_asked(
    name: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, proxy)
    Customer(URL, "token").close()
    asyncio.run(AsyncCustomer(URL, "token").close())
