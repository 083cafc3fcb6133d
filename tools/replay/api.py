"""The system's HTTP interface, with the patience the contract asks of a client."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson

from tools.replay.connections import Connections, NoAnswer, Response
from tools.replay.places import Place

# The slowest answer of the contract is a 202 after 5 s; twice that and more is a lost one.
TIMEOUT_S = 15.0
TRIES = 6
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
# The refusals that the contract says a repeat may change.
WORTH_REPEATING = frozenset({"CONCURRENT_REQUEST", "RATE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE"})

# What `Answer.code` says of a request that never got an answer, and how it begins for an answer that has not
# our envelope, before its status.
NO_ANSWER = "NO_ANSWER"
UNUSABLE = "HTTP_"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: HTTP status (0 without any), the `data` of a success, the code of a failure."""

    status: int
    data: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    retry_after: float | None = None
    tries: int = 1

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300 and not self.code

    @property
    def broken(self) -> bool:
        """The system failed, as opposed to: it refused, be it for want of its storage."""
        return self.unusable or (self.status >= 500 and self.code not in WORTH_REPEATING)

    @property
    def unusable(self) -> bool:
        """None at all, or one without our envelope: something on the way has spoken."""
        return self.status == 0 or self.code.startswith(UNUSABLE)

    @property
    def worth_repeating(self) -> bool:
        """Whether the same request may be answered otherwise a little later."""
        return self.unusable or self.status in {408, 429, 502, 503, 504} or self.code in WORTH_REPEATING


class Api:
    """Requests to one system. Answers are returned whatever they say; nothing is raised for them."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._connections = Connections(self.url)

    @property
    def socket_url(self) -> str:
        return "ws" + self.url.removeprefix("http") + "/api/v1/ws"

    async def ready(self) -> Answer:
        """`/ready`, asked once."""
        return await self._once("GET", "/ready", b"", {})

    async def send(
        self, method: str, path: str, bearer: str, body: dict[str, Any] | None = None, key: str = ""
    ) -> Answer:
        """One request, repeated (with the same key) while the answer is one that a repeat can change."""
        headers = {"Authorization": bearer} | ({"X-Idempotency-Key": key} if key else {})
        content = b"" if body is None else orjson.dumps(body)
        pause = FIRST_PAUSE_S
        for tries in range(1, TRIES + 1):
            answer = await self._once(method, f"/api/v1{path}", content, headers, tries)
            if tries == TRIES or not answer.worth_repeating:
                break
            await asyncio.sleep(min(answer.retry_after or pause, LONGEST_PAUSE_S))
            pause *= 2
        return answer

    async def _once(
        self, method: str, path: str, content: bytes, headers: dict[str, str], tries: int = 1
    ) -> Answer:
        if content:
            headers = headers | {"Content-Type": "application/json"}
        try:
            response = await self._connections.request(method, path, headers, content, TIMEOUT_S)
        except NoAnswer as reason:
            return Answer(0, code=NO_ANSWER, data={"reason": str(reason)}, tries=tries)
        return _read(response, tries)

    def close(self) -> None:
        """Closes its connections."""
        self._connections.close()


def _read(response: Response, tries: int) -> Answer:
    """Reads the envelope; something that is not one has the code `HTTP_<status>`."""
    envelope = _json(response.body)
    error, data = _object(envelope.get("error")), envelope.get("data")
    succeeded = response.status < 300 and envelope.get("success") is True and isinstance(data, dict)
    refused = (
        response.status >= 300 and envelope.get("success") is False and isinstance(error.get("code"), str)
    )
    return Answer(
        response.status,
        _object(data if succeeded else error.get("data")),
        "" if succeeded else str(error["code"]) if refused else f"{UNUSABLE}{response.status}",
        _seconds(response.headers.get("retry-after", "")),
        tries,
    )


def _json(body: bytes) -> dict[str, Any]:
    try:
        return _object(orjson.loads(body))
    except ValueError:
        return {}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdecimal() else None


def point(place: Place, name: str) -> dict[str, Any]:
    """A pickup or drop as `POST /orders` takes it; the recording has no addresses, so it is named."""
    address = f"{name} at {place.latitude:.5f}, {place.longitude:.5f}"
    return {"latitude": place.latitude, "longitude": place.longitude, "address": address}
