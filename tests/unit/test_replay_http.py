"""The replay's HTTP client: kept connections, patience with refusals, and no exception for an answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import TypeVar

import pytest

from tools.replay import api
from tools.replay.api import NO_ANSWER, Answer, Api

Result = TypeVar("Result")

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n{"success":true,"data":{"order":1}}'


def refusal(status: int, code: str, extra: str = "") -> bytes:
    body = f'{{"success":false,"error":{{"code":"{code}","message":"no"}}}}'
    return f"HTTP/1.1 {status} No\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}".encode()


class Server:
    """Gives the prepared answers one after the other, the last one for ever; None hangs up instead."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with closing(writer):
            while head := await self._head(reader):
                self.requests.append(head)
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if answer is None:
                    return
                writer.write(answer)

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return head + await reader.readexactly(length)


def asked(server: Server, ask: Callable[[Api], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        with closing(listener), closing(Api(f"http://127.0.0.1:{port}")) as client:
            return await ask(client)

    return asyncio.run(run())


async def post(client: Api) -> Answer:
    return await client.send("POST", "/orders", "Bearer x", {"a": 1}, key="k-1")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "FIRST_PAUSE_S", 0.0)


def test_a_success_is_its_data() -> None:
    server = Server(OK)
    answer = asked(server, post)
    assert (answer.status, answer.data, answer.code, answer.ok) == (200, {"order": 1}, "", True)
    (request,) = server.requests
    assert request.startswith(b"POST /api/v1/orders HTTP/1.1\r\n")
    assert b"Authorization: Bearer x\r\n" in request
    assert b"X-Idempotency-Key: k-1\r\n" in request
    assert request.endswith(b'\r\n\r\n{"a":1}')


def test_a_connection_serves_one_request_after_the_other() -> None:
    async def twice(client: Api) -> None:
        await post(client)
        await post(client)

    server = Server(OK)
    asked(server, twice)
    assert (server.connections, len(server.requests)) == (1, 2)


def test_requests_at_the_same_time_have_connections_of_their_own() -> None:
    async def both(client: Api) -> None:
        await asyncio.gather(post(client), post(client))

    server = Server(OK)
    asked(server, both)
    assert server.connections == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [(409, "CONCURRENT_REQUEST"), (429, "RATE_LIMIT_EXCEEDED"), (503, "SERVICE_UNAVAILABLE")],
)
def test_a_refusal_that_a_repeat_may_change_is_repeated_with_the_same_key(status: int, code: str) -> None:
    server = Server(refusal(status, code, "Retry-After: 0\r\n"), OK)
    answer = asked(server, post)
    assert (answer.ok, answer.tries) == (True, 2)
    assert server.requests[0] == server.requests[1]


def test_a_hung_up_connection_is_repeated_with_the_same_key() -> None:
    server = Server(None, OK)
    answer = asked(server, post)
    assert (answer.ok, answer.tries, server.connections) == (True, 2, 2)


@pytest.mark.parametrize(("status", "code"), [(409, "ACTIVE_ORDER_EXISTS"), (400, "VALIDATION_ERROR")])
def test_a_refusal_that_stays_one_is_not_repeated(status: int, code: str) -> None:
    server = Server(refusal(status, code))
    answer = asked(server, post)
    assert (answer.ok, answer.code, answer.broken) == (False, code, False)
    assert len(server.requests) == 1


def test_a_refusal_for_want_of_storage_is_no_failure_and_any_other_500_is_one() -> None:
    assert not Answer(503, code="SERVICE_UNAVAILABLE").broken
    assert Answer(500, code="INTERNAL_ERROR").broken
    assert Answer(502, code="HTTP_502").broken


def test_it_gives_up_after_some_tries_and_says_so() -> None:
    server = Server(None)
    answer = asked(server, post)
    assert (answer.status, answer.code, answer.broken) == (0, NO_ANSWER, True)
    assert len(server.requests) == api.TRIES


def test_the_pause_that_the_server_asks_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    asked(Server(refusal(429, "RATE_LIMIT_EXCEEDED", "Retry-After: 7\r\n"), OK), post)
    assert pauses == [7.0]


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"error": "x"}', b""])
def test_what_is_not_the_envelope_has_its_status_as_code(body: bytes) -> None:
    page = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    answer = asked(Server(page), post)
    assert (answer.code, answer.data) == ("HTTP_404", {})


def test_the_socket_is_at_the_same_address() -> None:
    assert Api("https://weelo.example/").socket_url == "wss://weelo.example/api/v1/ws"
    assert Api("http://127.0.0.1:8000").socket_url == "ws://127.0.0.1:8000/api/v1/ws"
