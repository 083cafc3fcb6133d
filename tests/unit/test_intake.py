"""How long a batch of new orders is in flight."""

import pytest

from models.settings import load
from web.admission.group_commit import FLIGHT_SECONDS, SHORT_FLIGHT_SECONDS, Submission, _Flights
from web.wakeups import wakeups
from workers.orders.admitting import AdmissionRequest


def submission(order_id: str, enqueued: bool = True) -> Submission:
    request = AdmissionRequest(order_id, "asha", None, "", {}, "r", "web")
    return Submission(request, admitted=True, enqueued=enqueued)


def test_where_no_worker_answers_a_flight_is_short_until_one_does(
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
        not_enqueued = submission("not enqueued", enqueued=False)
        flights.wait([not_enqueued, submission(str(number)), submission("another")])
    flights.wait([submission("nobody", enqueued=False)])
    assert waited == [
        ("0", FLIGHT_SECONDS),
        ("1", FLIGHT_SECONDS),
        ("2", SHORT_FLIGHT_SECONDS),
        ("3", SHORT_FLIGHT_SECONDS),
        ("4", FLIGHT_SECONDS),
    ]


def test_an_order_is_durable_long_before_its_lock_expires() -> None:
    assert load().order_lock_seconds / 10 > FLIGHT_SECONDS
