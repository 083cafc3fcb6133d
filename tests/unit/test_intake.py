"""How long new orders are held back for those before them."""

import pytest

from models.settings import load
from web.intake import FLIGHT_SECONDS, SHORT_FLIGHT_SECONDS, Entry, _Flights
from web.wakeups import wakeups
from workers.admitting import Request


def entry(order_id: str, enqueued: bool = True) -> Entry:
    asked = Request(order_id, "asha", None, b"", {}, "r", "web")
    return Entry(asked, admitted=True, enqueued=enqueued)


def test_where_no_worker_answers_nobody_waits_for_one_until_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[tuple[str, float]] = []
    answers = iter([True, False, False, True, True])

    def outcome_within(order_id: str, timeout: float) -> bool:
        waited.append((order_id, timeout))
        return next(answers)

    monkeypatch.setattr(wakeups, "outcome_within", outcome_within)
    flights = _Flights()
    for number in range(5):
        flights.landed([entry("not enqueued", enqueued=False), entry(str(number)), entry("another")])
    flights.landed([entry("nobody", enqueued=False)])
    assert waited == [
        ("0", FLIGHT_SECONDS),
        ("1", FLIGHT_SECONDS),
        ("2", SHORT_FLIGHT_SECONDS),
        ("3", SHORT_FLIGHT_SECONDS),
        ("4", FLIGHT_SECONDS),
    ]


def test_an_order_is_durable_long_before_its_lock_runs_out() -> None:
    assert load().order_lock_seconds / 10 > FLIGHT_SECONDS
