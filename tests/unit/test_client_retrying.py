"""When the Python client asks again, what it makes of the last answer, and which key it sends."""

import random
from typing import Any

import pytest
from weelo_client import NoAnswer, Placed, Queued, Refused, RequestRefused, Undecided, calls
from weelo_client.retrying import Answer, Outcome, Tries
from weelo_client.shapes import NewOrder

BODY: NewOrder = {"distanceKm": 1, "vehicleRequirements": []}


def failure(status: int, code: str, data: dict[str, Any] | None = None, **headers: str) -> Answer:
    error = {"code": code, "message": code.lower(), "data": data or {}}
    return Answer(
        status,
        {"success": False, "error": error},
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


def placed() -> Answer:
    data = {"order": {"id": "o", "status": "active"}, "truckRequests": []}
    return Answer(
        201,
        {"success": True, "data": data | {"broadcastSummary": {}, "timeoutSeconds": 60}},
        {"idempotent-replayed": "true"},
    )


def tries(deadline: float = 100.0) -> Tries:
    return Tries(deadline, random.Random(1))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(0),
        Answer(500),
        Answer(502),
        failure(409, "CONCURRENT_REQUEST"),
        failure(429, "RATE_LIMIT_EXCEEDED"),
        failure(503, "SERVICE_UNAVAILABLE"),
    ],
)
def test_what_a_repeat_can_change_is_sent_again(answer: Answer) -> None:
    assert tries().pause(answer, 0) is not None


@pytest.mark.parametrize(
    "answer",
    [placed(), failure(400, "VALIDATION_ERROR"), failure(409, "ACTIVE_ORDER_EXISTS"), failure(404, "X")],
)
def test_what_a_repeat_cannot_change_is_not(answer: Answer) -> None:
    assert tries().pause(answer, 0) is None


def test_the_servers_pause_is_honoured() -> None:
    pause = tries().pause(failure(409, "CONCURRENT_REQUEST", retry_after="2"), 0)
    assert pause is not None
    assert 2 <= pause <= 2.1


def test_pauses_grow_to_a_limit_and_differ_between_apps() -> None:
    many = tries()
    pauses = [many.pause(Answer(0), 0) or 0 for _ in range(12)]
    assert pauses[0] <= 0.25
    assert 2.5 <= pauses[-1] <= 5
    other = Tries(100, random.Random(2)).pause(Answer(0), 0)
    assert other != pauses[0]


def test_no_pause_goes_past_the_deadline() -> None:
    assert tries(deadline=1).pause(failure(429, "RATE_LIMIT_EXCEEDED", retry_after="30"), 0) is None


def outcome(*answers: Answer) -> Outcome:
    """What a call came to that got these answers, one after the other."""
    many = tries()
    for answer in answers[:-1]:
        assert many.pause(answer, 0) is not None
    return many.outcome(answers[-1])


def test_each_order_has_a_key_of_its_own_unless_one_is_given() -> None:
    keys = [calls.order(BODY, None, False, None).headers["X-Idempotency-Key"] for _ in range(2)]
    assert keys[0] != keys[1]
    assert calls.order(BODY, "mine", False, None).headers == {"X-Idempotency-Key": "mine"}
    assert calls.order(BODY, "mine", True, None).headers["Prefer"] == "respond-async"
    assert calls.order(BODY, "mine", False, 2).headers["Prefer"] == "wait=2"


def test_an_order_is_placed_queued_or_refused() -> None:
    read = calls.order(BODY, "mine", False, None).read
    first = read(outcome(Answer(0), placed()))
    assert isinstance(first, Placed)
    assert (first.order["id"], first.timeout_seconds, first.replayed) == ("o", 60, True)
    queued = read(outcome(Answer(202, {"success": True, "data": {"order": {"id": "o", "status": "queued"}}})))
    assert queued == Queued({"id": "o", "status": "queued"}, replayed=False)
    refused = read(outcome(Answer(0), failure(409, "ACTIVE_ORDER_EXISTS", {"activeOrderId": "other"})))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.active_order_id) == ("ACTIVE_ORDER_EXISTS", "other")


@pytest.mark.parametrize(
    "answers",
    [
        (Answer(0),),
        (Answer(500),),
        (failure(409, "CONCURRENT_REQUEST"),),
        (Answer(0), failure(503, "SERVICE_UNAVAILABLE")),
    ],
)
def test_an_order_that_nobody_can_speak_for_keeps_its_key(answers: tuple[Answer, ...]) -> None:
    with pytest.raises(Undecided) as raised:
        calls.order(BODY, "mine", False, None).read(outcome(*answers))
    assert raised.value.key == "mine"


def test_unavailable_alone_says_that_nothing_was_made() -> None:
    read = calls.order(BODY, "mine", False, None).read
    unavailable = failure(503, "SERVICE_UNAVAILABLE")
    assert isinstance(read(outcome(unavailable, unavailable)), Refused)


def test_a_step_whose_answer_was_lost_is_done_and_not_refused() -> None:
    read = calls.advance("t", "at_pickup").read
    refused = failure(409, "INVALID_TRANSITION", {"status": "at_pickup", "requested": "at_pickup"})
    assert read(outcome(Answer(0), refused)) == {"truckRequestId": "t", "status": "at_pickup"}
    with pytest.raises(RequestRefused, match="INVALID_TRANSITION"):
        read(outcome(refused))
    elsewhere = failure(409, "INVALID_TRANSITION", {"status": "assigned", "requested": "at_pickup"})
    with pytest.raises(RequestRefused):
        read(outcome(Answer(0), elsewhere))


def test_a_return_whose_answer_was_lost_is_done() -> None:
    read = calls.give_back("t", "flat tyre").read
    gone = failure(404, "TRIP_NOT_FOUND")
    assert read(outcome(Answer(0), gone)) == {"truckRequestId": "t", "status": "searching"}
    with pytest.raises(RequestRefused):
        read(outcome(gone))


def test_a_call_without_an_answer_says_so() -> None:
    with pytest.raises(NoAnswer):
        calls.get("o").read(outcome(Answer(502)))


def test_an_id_cannot_lead_to_another_path() -> None:
    assert calls.get("../drivers/me").path == "/orders/..%2Fdrivers%2Fme"


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 408, 429, 502])
def test_something_between_that_speaks_html_is_no_answer(status: int) -> None:
    assert tries().pause(Answer(status), 0) is not None
    with pytest.raises(NoAnswer, match=str(status)):
        calls.get("o").read(outcome(Answer(status)))


def test_a_token_that_ran_out_between_two_tries_decides_nothing() -> None:
    read = calls.order(BODY, "mine", False, None).read
    refused = failure(401, "UNAUTHENTICATED")
    with pytest.raises(Undecided) as raised:
        read(outcome(Answer(0), refused))
    assert raised.value.key == "mine"
    assert raised.value.refusal is not None
    assert raised.value.refusal.code == "UNAUTHENTICATED"
    assert isinstance(read(outcome(refused)), Refused)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2),
        ("Sun, 06 Nov 1994 08:49:40 GMT", 3),
        ("Sunday, 06-Nov-94 08:49:40 GMT", 3),
        ("Sun Nov  6 08:49:40 1994", 3),
    ],
)
def test_a_pause_may_be_a_date_and_counts_from_the_answers_own(text: str, seconds: float) -> None:
    answer = failure(503, "SERVICE_UNAVAILABLE", retry_after=text, date="Sun, 06 Nov 1994 08:49:37 GMT")
    pause = tries().pause(answer, 0)
    assert pause is not None
    assert seconds <= pause <= seconds + 0.1


@pytest.mark.parametrize(
    "text", ["-5", "0", "soon", "", "1.5", "Sun, 06 Nov 1994 08:49:30 GMT", "٣", "Sun, 99"]
)
def test_a_pause_that_is_none_or_over_is_our_own(text: str) -> None:
    answer = failure(503, "SERVICE_UNAVAILABLE", retry_after=text, date="Sun, 06 Nov 1994 08:49:37 GMT")
    pause = tries().pause(answer, 0)
    assert pause is not None
    assert 0.12 <= pause <= 0.25


@pytest.mark.parametrize("text", ["86400", "9" * 400, "Sun, 06 Nov 9994 08:49:37 GMT"])
def test_a_pause_of_days_leaves_the_order_undecided_now(text: str) -> None:
    assert tries().pause(Answer(503, {}, {"retry-after": text}), 0) is None
    with pytest.raises(Undecided):
        calls.order(BODY, "mine", False, None).read(outcome(Answer(503, {}, {"retry-after": text})))
