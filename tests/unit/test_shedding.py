"""A process that is behind with its work refuses new orders, and nothing else."""

import io
import time
from typing import Any

import orjson
import pytest

from models.live import refusals
from server.lag import INTERVAL_SECONDS, LOOKS, Lag
from server.roles import Role
from web import shedding
from web.shedding import LIMITS, Shedder
from web.traffic import SharedCounters

NOBODY_BELOW_SECONDS, EVERYBODY_ABOVE_SECONDS = LIMITS[Role.EVERYTHING]
# As it is outside of the tests, which are never behind.
DRAWN = shedding._drawn


class Behind:
    """So far behind is this process."""

    seconds = 0.0


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Behind:
    made = Behind()
    monkeypatch.setattr(shedding, "board", SharedCounters())
    monkeypatch.setattr(shedding, "lag", made)
    monkeypatch.setattr(shedding, "_drawn", DRAWN)
    monkeypatch.setattr(refusals, "add", lambda _: None)
    return made


class Application:
    """Counts what gets through."""

    def __init__(self) -> None:
        self.served = 0
        self.shedder = Shedder(self._serve)

    def ask(
        self, method: str = "POST", path: str = "/api/v1/orders", **headers: str
    ) -> tuple[str, dict[str, str], bytes]:
        answer: list[Any] = []
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(), **headers}
        body = self.shedder(environ, lambda *args: answer.extend(args))  # type: ignore[arg-type]
        return answer[0], dict(answer[1]), b"".join(body)

    def _serve(self, _: Any, start_response: Any) -> list[bytes]:
        self.served += 1
        start_response("201 CREATED", [])
        return [b""]


def test_new_orders_are_refused_in_the_contracts_shape_before_any_work(behind: Behind) -> None:
    behind.seconds = EVERYBODY_ABOVE_SECONDS
    application = Application()
    waits = set()
    for _ in range(50):
        status, headers, body = application.ask(HTTP_X_REQUEST_ID="mine")
        failure = orjson.loads(body)
        assert (status[:3], failure["success"]) == ("503", False)
        assert failure["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert headers["X-Request-ID"] == "mine"
        assert headers["Content-Length"] == str(len(body))
        assert headers["Retry-After"] == str(failure["error"]["data"]["retryAfter"])
        waits.add(headers["Retry-After"])
    assert application.served == 0
    assert len(waits) > 1, "all who were refused would come back together"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/api/v1/orders"),
        ("POST", "/api/v1/orders/1/accept"),
        ("POST", "/api/v1/orders/1/cancel"),
        ("POST", "/api/v1/trips/1/status"),
        ("POST", "/api/v1/ops/orders/1/expire"),
    ],
)
def test_everything_else_is_served(behind: Behind, method: str, path: str) -> None:
    behind.seconds = 10.0
    application = Application()
    assert application.ask(method, path)[0][:3] == "201"


def test_a_repeat_of_an_order_that_was_admitted_is_let_through(behind: Behind) -> None:
    behind.seconds = 10.0
    application = Application()
    shedding.admitted_keys.add("admitted")
    assert application.ask(HTTP_X_IDEMPOTENCY_KEY="admitted")[0][:3] == "201"
    assert application.ask(HTTP_IDEMPOTENCY_KEY="admitted")[0][:3] == "201"
    for _ in range(2):
        assert application.ask(HTTP_X_IDEMPOTENCY_KEY="refused")[0][:3] == "503"


def test_the_keys_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shedding, "KEYS", 3)
    keys = shedding.AdmittedKeys()
    for number in range(10):
        keys.add(str(number))
    assert len(keys._hashes) == 3


def test_the_share_that_is_refused_grows_with_the_delay(behind: Behind) -> None:
    shares = []
    for seconds in (NOBODY_BELOW_SECONDS, 0.2, 0.3, EVERYBODY_ABOVE_SECONDS):
        behind.seconds = seconds
        application = Application()
        for _ in range(500):
            application.ask()
        shares.append(1 - application.served / 500)
    assert shares[0] == 0
    assert 0.1 < shares[1] < shares[2] < shares[3] == 1


def test_the_process_for_everything_else_refuses_orders_sooner(behind: Behind) -> None:
    behind.seconds = LIMITS[Role.ALL_BUT_NEW_ORDERS][1]
    application = Application()
    assert application.ask()[0] == "201 CREATED"
    application.shedder.role = Role.ALL_BUT_NEW_ORDERS
    assert application.ask()[0].startswith("503")


def test_a_short_pause_is_no_delay_and_a_long_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lag, "_start", lambda self: None)
    for late, seconds in ((0.29, 0.0), (0.5, 0.5), (3.0, 3.0)):
        lag = Lag()
        lag._due = time.monotonic() - late
        assert lag.seconds == pytest.approx(seconds, abs=0.05)


def test_the_delay_is_that_of_most_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lag, "_start", lambda self: None)
    lag = Lag()
    lag._looks.extend([0.05] * (LOOKS // 2))
    assert lag.seconds == 0.0
    lag._looks.append(0.05)
    assert lag.seconds == 0.05


def test_a_thread_that_is_on_time_is_not_behind() -> None:
    lag = Lag()
    assert lag.seconds == 0.0
    time.sleep(3 * INTERVAL_SECONDS)
    assert lag.seconds < 0.03
