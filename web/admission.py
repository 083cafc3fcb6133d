"""The door for new orders: look the key up, take the lock, commit one row, enqueue, wait, answer.

From the commit on the order is durable; everything after it only decides how soon the customer
hears of it.
"""

import time
from collections.abc import Callable
from typing import Any

import structlog
from flask import Request, Response, g
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from models import clock, db
from models.errors import (
    ActiveOrderExists,
    ConcurrentRequest,
    IdempotencyKeyReused,
    RateLimitExceeded,
)
from models.live.idempotency import Answer
from models.live.order_entry import Turn, Wait
from tasks import orders
from web import fingerprint, hangup, intake, shedding
from web.answers import success_text
from web.backlog import backlog
from web.combining import never
from web.order_headers import Preference, idempotency_key, preference_of
from web.parsing import content, validated
from web.schemas import NewOrder
from web.wakeups import OutcomeWaiter, wakeups
from workers import admitting
from workers.admitting import Admission

log = structlog.get_logger()

LOCATION = "/api/v1/orders/"

# The wake-up through Redis comes within milliseconds; a lost one costs one look into Postgres.
LOOK_SECONDS = 0.5


def create(request: Request, customer_id: str, body: bytes) -> Response:
    """Answers one ``POST /orders``. Raises the contract's refusals as domain errors."""
    key = idempotency_key(request)
    is_repeat = backlog.knows((customer_id, key))
    earlier = None if is_repeat else _earlier_or_room(customer_id, key)
    preference = preference_of(request)
    data = content(body)
    order = validated(NewOrder, data)
    mark = fingerprint.of(data)
    order_id = clock.new_id()
    structlog.contextvars.bind_contextvars(order_id=order_id)
    asked = admitting.Request(
        order_id,
        customer_id,
        key,
        mark,
        order.payload(),
        g.request_id,
        wakeups.instance,
        admitting.queued_answer(order_id) if preference.asynchronous else None,
    )
    with wakeups.expect(order_id) as waiter:
        admitted = _cached(earlier) if earlier else _admit(asked, is_repeat, hangup.watch(request))
        if isinstance(admitted, Admission):
            return _answer_earlier(admitted, asked, preference)
        if key:
            shedding.remember(key)
        if preference.asynchronous:
            return _accepted(order_id, {"Preference-Applied": "respond-async"})
        return _wait(asked, waiter, preference.wait if admitted.enqueued else 0)


def _earlier_or_room(customer_id: str, key: str | None) -> Answer | None:
    """Where there is no room: what this key was answered. Raises ``ServiceUnavailable`` if it is new."""
    if not backlog.is_full():
        return None
    if key and (earlier := intake.known(customer_id, key)):
        return earlier
    shedding.count("full")
    raise shedding.overloaded()


def _admit(
    asked: admitting.Request, is_repeat: bool = False, given_up: Callable[[], bool] = never
) -> Admission | intake.Entry:
    """Commits the row and enqueues it, or returns the admission that this key has already.

    Raises ``ConcurrentRequest`` and ``RateLimitExceeded``; both look for the key first, since a
    retry must get its answer and not an error. Raises ``ServiceUnavailable`` if the client has hung up.
    """
    entry = intake.take(asked, is_repeat, given_up)
    try:
        return _met(entry)
    finally:
        # An admitted order's lock is the worker's now.
        intake.leave(entry)


def _met(entry: intake.Entry) -> Admission | intake.Entry:
    asked = entry.asked
    if isinstance(entry.met, Answer):
        return _cached(entry.met)
    if isinstance(entry.met, Wait):
        return _known_or(asked, RateLimitExceeded(data={"retryAfter": entry.met.seconds}))
    if entry.met:
        log.info("lock taken" if entry.met is Turn.ENTERED else "lock refused", customer_id=asked.customer_id)
    if entry.error is not None:
        _make_sure(entry, entry.error)
    return entry if entry.admitted else _known_or(asked, ConcurrentRequest())


def _cached(answer: Answer) -> Admission:
    mark = bytes.fromhex(answer.fingerprint)
    return Admission(answer.order_id, mark, "placed", None, answer.status, answer.data)


def _make_sure(entry: intake.Entry, error: SQLAlchemyError) -> None:
    """A commit whose answer is lost may have happened: that is asked before a 503."""
    if not isinstance(error, DBAPIError):
        raise error
    if db.refused(error):
        # Somebody's row was refused or held up, and all of them with it; ours may be as good as any.
        intake.take_alone(entry)
        return
    log.warning("commit in doubt", error=str(error).splitlines()[0])
    entry.admitted = admitting.admitted_after_all(entry.asked)
    entry.enqueued = entry.admitted and orders.enqueue([entry.asked.order_id])


def _known_or(asked: admitting.Request, refusal: Exception) -> Admission:
    known = admitting.by_key(asked.customer_id, asked.key) if asked.key else None
    if known is None:
        raise refusal
    return known


def _answer_earlier(earlier: Admission, asked: admitting.Request, preference: Preference) -> Response:
    """The same key again: what was answered then, or what it is waiting for."""
    if earlier.fingerprint != asked.fingerprint:
        raise IdempotencyKeyReused
    deadline = time.monotonic() + preference.wait
    current: Admission | None = earlier
    while current and current.state == "queued" and current.answer_status is None:
        if time.monotonic() >= deadline:
            raise ConcurrentRequest
        time.sleep(min(LOOK_SECONDS / 5, max(0.0, deadline - time.monotonic())))
        current = admitting.by_order(earlier.order_id)
    if current is None:
        raise ConcurrentRequest
    return _replay(current)


def _replay(known: Admission) -> Response:
    if known.answer_status is None or known.answer is None:
        raise ConcurrentRequest
    log.info("Idempotency HIT", order_id=known.order_id)
    headers = {"Location": LOCATION + known.order_id, "Idempotent-Replayed": "true"}
    return success_text(known.answer, known.answer_status, headers)


def _wait(asked: admitting.Request, waiter: OutcomeWaiter, seconds: float) -> Response:
    """Answers as soon as the outcome is known, or 202 when the time is over.

    The order is committed: from here on nothing is a 503, whatever Postgres does.
    """
    deadline = time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            if outcome := waiter.wait(min(left, LOOK_SECONDS)):
                return _told(asked, outcome)
            admission = admitting.by_order(asked.order_id)
            if admission and admission.state != "queued":
                return _recorded(asked, admission)
        return _give_up(asked)
    except SQLAlchemyError:
        return _in_doubt(asked)


def _told(asked: admitting.Request, outcome: dict[str, Any]) -> Response:
    """The answer that the worker's wake-up carries."""
    if outcome["answer"] is None:
        raise _refusal(asked, outcome["rejection"], outcome["errorData"])
    return _answer(asked.order_id, 201, outcome["answer"])


def _recorded(asked: admitting.Request, admission: Admission) -> Response:
    """The answer that Postgres has on record."""
    if admission.answer_status is None or admission.answer is None:
        raise _refusal(asked, admission.rejection, None)
    return _answer(asked.order_id, admission.answer_status, admission.answer)


def _give_up(asked: admitting.Request) -> Response:
    """202, unless the order was placed in this very moment."""
    if admitting.answer_202(asked.order_id):
        return _accepted(asked.order_id)
    admission = admitting.by_order(asked.order_id)
    if admission is None:
        raise ConcurrentRequest
    return _recorded(asked, admission)


def _in_doubt(asked: admitting.Request) -> Response:
    """Postgres failed while we waited: what is not on record must not be an answer."""
    try:
        return _give_up(asked)
    except SQLAlchemyError as error:
        log.warning("accepted, but Postgres does not say how it ended")
        raise ConcurrentRequest from error


def _refusal(asked: admitting.Request, rejection: str | None, data: dict[str, Any] | None) -> Exception:
    if rejection != ActiveOrderExists.code:
        return ConcurrentRequest()
    return ActiveOrderExists(data=data or {"activeOrderId": admitting.active_order(asked.customer_id)})


def _accepted(order_id: str, headers: dict[str, str] | None = None) -> Response:
    return _answer(order_id, 202, admitting.queued_answer(order_id), headers)


def _answer(order_id: str, status: int, data: str, headers: dict[str, str] | None = None) -> Response:
    return success_text(data, status, {"Location": LOCATION + order_id, **(headers or {})})
