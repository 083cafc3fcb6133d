"""A process that is behind with its work refuses new orders, and nothing else."""

import re
import time

import pytest

from models.live import refusals
from server.lag import INTERVAL_SECONDS, LOOKS, Lag
from server.roles import Role
from tests import raw
from tests.system import until
from web.http.request_counters import SharedCounters
from web.limits import shedding
from web.limits.backlog import Backlog
from web.limits.shedding import LIMITS, Shedder

NOBODY_BELOW_SECONDS, EVERYBODY_ABOVE_SECONDS = LIMITS[Role.EVERYTHING]


class Behind:
    """So far behind is this process."""

    seconds = 0.0


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Behind:
    made = Behind()
    monkeypatch.setattr(shedding, "counters", SharedCounters())
    monkeypatch.setattr(shedding, "lag", made)
    monkeypatch.setattr(refusals, "add", lambda _: None)
    return made


def head(**headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(["POST /api/v1/orders HTTP/1.1", "Host: x", *lines]).encode()


def refused(**headers: str) -> raw.Answer | None:
    """How a new order with these headers is refused by a process that refuses all."""
    response = Shedder().refusal(head(**headers), "behind")
    if response is None:
        return None
    top, _, body = response.partition(b"\r\n\r\n")
    return raw.Answer(top.decode(), body)


def counts_of(counters: SharedCounters, reason: str) -> float:
    """How many orders were refused for this reason."""
    return next(
        sample.value
        for metric in counters.collect()
        for sample in metric.samples
        if sample.name == "weelo_orders_refused_total" and sample.labels["reason"] == reason
    )


def drawn(role: Role = Role.EVERYTHING, times: int = 500) -> float:
    """The share of new orders that a process of this role refuses."""
    shedder = Shedder()
    shedder.role = role
    return sum(shedder.reason_to_refuse() is not None for _ in range(times)) / times


@pytest.mark.usefixtures("behind")
def test_new_orders_are_refused_in_the_contracts_shape() -> None:
    waits = set()
    for _ in range(50):
        answer = refused(X_Request_ID="Mine-1")
        assert answer is not None
        raw.assert_error(answer, 503, "SERVICE_UNAVAILABLE")
        assert answer.headers["x-request-id"] == "Mine-1"
        assert answer.headers["content-length"] == str(len(answer.body))
        assert answer.headers["retry-after"] == str(answer.json["error"]["data"]["retryAfter"])
        waits.add(answer.headers["retry-after"])
    assert len(waits) > 1, "all who were refused would come back together"


@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize("sent", ["", "two words", "x" * 65])
def test_a_wrong_request_id_is_not_given_back(sent: str) -> None:
    answer = refused(X_Request_ID=sent)
    assert answer is not None
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.usefixtures("behind")
def test_a_repeat_of_an_order_that_was_admitted_is_let_through() -> None:
    shedding.admitted_keys.add("Admitted")
    assert refused(X_Idempotency_Key="Admitted") is None
    assert refused(IDEMPOTENCY_KEY='"Admitted" ') is None
    assert refused(X_Idempotency_Key="another")


@pytest.mark.usefixtures("behind")
def test_a_page_in_a_browser_gets_its_answer_from_the_application() -> None:
    assert refused(Origin="http://localhost") is None


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
        shares.append(drawn())
    assert shares[0] == 0
    assert 0.1 < shares[1] < shares[2] < shares[3] == 1


def test_a_full_backlog_refuses_before_a_request_is_parsed(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = SharedCounters()
    monkeypatch.setattr(shedding, "counters", counters)
    assert drawn() == 0
    monkeypatch.setattr(Backlog, "is_full", lambda self: True)
    assert Shedder().reason_to_refuse() == "full"
    assert Shedder().refusal(head(), "full")
    assert counts_of(counters, "full") == 1


def test_the_process_for_everything_else_refuses_orders_sooner(behind: Behind) -> None:
    behind.seconds = LIMITS[Role.ALL_BUT_NEW_ORDERS][1]
    assert drawn() == 0
    assert drawn(Role.ALL_BUT_NEW_ORDERS) == 1


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
    # On a busy machine a thread is late now and then.
    until(lambda: lag.seconds < 0.03)
