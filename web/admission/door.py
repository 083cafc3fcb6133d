"""Admits new orders: look the key up, take the lock, commit one row, enqueue, wait, answer.

From the commit on the order is durable; what follows only decides how soon the customer gets the answer.
"""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import orjson
import redis
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
from models.live import idempotency
from models.live.idempotency import CachedAnswer
from models.live.order_gate import Gate, RateLimited
from server import hangup
from tasks import orders
from web.admission import group_commit
from web.admission.batching import never
from web.admission.order_headers import Preference, idempotency_key, preference_of
from web.http.parsing import content, validated
from web.http.responses import success_text
from web.limits import shedding
from web.limits.backlog import backlog
from web.schemas.bodies import NewOrder
from web.wakeups import OutcomeWaiter, wakeups
from workers.orders import admitting
from workers.orders.admitting import Admission, AdmissionRequest

log = structlog.get_logger()

LOCATION = "/api/v1/orders/"
# The wake-up through Redis comes within milliseconds. If it is lost, Postgres is asked this often.
POLL_SECONDS = 0.5
# The same for a repeat, which gets no wake-up.
POLL_REPEAT_SECONDS = 0.1


def create(request: Request, customer_id: str, body: bytes) -> Response:
    """Answers one ``POST /orders``. Raises the contract's refusals as domain errors."""
    key = idempotency_key(request)
    is_repeat = backlog.knows((customer_id, key))
    earlier = None if is_repeat else _refuse_if_full(customer_id, key)
    preference = preference_of(request)
    asked = _request(customer_id, key, content(body), preference)
    with wakeups.expect(asked.order_id) as waiter:
        result = earlier or _admit(asked, is_repeat, hangup.watch(request.environ))
        if isinstance(result, Admission):
            return _answer_repeat(result, asked, preference)
        if key:
            shedding.admitted_keys.add(key)
        if preference.asynchronous:
            return _accepted(asked.order_id, {"Preference-Applied": "respond-async"})
        return _wait(asked, waiter, preference.wait if result.enqueued else 0)


def _request(
    customer_id: str, key: str | None, data: dict[str, Any], preference: Preference
) -> AdmissionRequest:
    """Raises ``Invalid``."""
    order = validated(NewOrder, data)
    order_id = clock.new_id()
    structlog.contextvars.bind_contextvars(order_id=order_id)
    return AdmissionRequest(
        order_id,
        customer_id,
        key,
        payload_hash(data),
        order.payload(),
        g.request_id,
        wakeups.instance,
        admitting.queued_answer(order_id) if preference.asynchronous else None,
    )


def payload_hash(payload: dict[str, Any]) -> str:
    """SHA-256 in hex of the payload as a JSON value: equal for any order of names and any white space."""
    return hashlib.sha256(orjson.dumps(_canonical(payload), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _canonical(value: Any) -> Any:
    """Whole numbers without a fraction: 2.0 and 2 are one JSON number."""
    if isinstance(value, dict):
        return {name: _canonical(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _refuse_if_full(customer_id: str, key: str | None) -> Admission | None:
    """The earlier answer to this key if too many orders wait, ``None`` if there is room.

    Raises ``ServiceUnavailable`` for a new key; without Redis every key counts as new.
    """
    if not backlog.is_full():
        return None
    try:
        if key and (cached := idempotency.find(customer_id, key)):
            return _from_cache(cached)
    except redis.RedisError:
        log.warning("key not looked up; Redis does not answer")
    shedding.count("full")
    raise shedding.overloaded()


def _admit(
    asked: AdmissionRequest, is_repeat: bool = False, has_hung_up: Callable[[], bool] = never
) -> Admission | group_commit.Submission:
    """Commits the row and enqueues it, or returns the admission that this key has already.

    Raises ``ConcurrentRequest`` and ``RateLimitExceeded``, both only for a new key: a retry must get its
    answer. Raises ``ServiceUnavailable`` if the client has hung up.
    """
    submission = group_commit.submit(asked, is_repeat, has_hung_up)
    try:
        return _result_of(submission)
    finally:
        # The lock of an admitted order is released by the worker.
        group_commit.undo(submission)


def _result_of(submission: group_commit.Submission) -> Admission | group_commit.Submission:
    asked, gate = submission.request, submission.gate
    if isinstance(gate, CachedAnswer):
        return _from_cache(gate)
    if isinstance(gate, RateLimited):
        return _replay_or_raise(asked, RateLimitExceeded(data={"retryAfter": gate.seconds}))
    if gate:
        log.info("lock taken" if gate is Gate.ACQUIRED else "lock refused", customer_id=asked.customer_id)
    if submission.commit_error is not None:
        _settle_commit(submission, submission.commit_error)
    return submission if submission.admitted else _replay_or_raise(asked, ConcurrentRequest())


def _from_cache(cached: CachedAnswer) -> Admission:
    return Admission(cached.order_id, cached.fingerprint, "placed", None, cached.status, cached.data)


def _settle_commit(submission: group_commit.Submission, error: SQLAlchemyError) -> None:
    """A commit whose result was lost may have happened: Postgres is asked before a 503 is given."""
    if not isinstance(error, DBAPIError):
        raise error
    if db.refused(error):
        # One row of the batch was refused or had to wait too long. It need not be this one.
        group_commit.commit_alone(submission)
        return
    log.warning("commit in doubt", error=str(error).splitlines()[0])
    submission.admitted = admitting.ensure_decided(submission.request)
    submission.enqueued = submission.admitted and orders.enqueue([submission.request.order_id])


def _replay_or_raise(asked: AdmissionRequest, refusal: Exception) -> Admission:
    admission = admitting.by_key(asked.customer_id, asked.key) if asked.key else None
    if admission is None:
        raise refusal
    return admission


def _answer_repeat(earlier: Admission, asked: AdmissionRequest, preference: Preference) -> Response:
    """Gives the first answer to this key again, as soon as there is one."""
    if earlier.fingerprint != asked.fingerprint:
        raise IdempotencyKeyReused
    deadline = time.monotonic() + preference.wait
    current: Admission | None = earlier
    while current and current.state == "queued" and current.answer_status is None:
        if (left := deadline - time.monotonic()) <= 0:
            raise ConcurrentRequest
        time.sleep(min(POLL_REPEAT_SECONDS, left))
        current = admitting.by_order(earlier.order_id)
    if current is None or current.answer_status is None or current.answer is None:
        raise ConcurrentRequest
    log.info("Idempotency HIT", order_id=current.order_id)
    return _answer(current.order_id, current.answer_status, current.answer, {"Idempotent-Replayed": "true"})


def _wait(asked: AdmissionRequest, waiter: OutcomeWaiter, seconds: float) -> Response:
    """Answers as soon as the outcome is known, or 202 when the time is over.

    The order is committed: from here on nothing is a 503, whatever Postgres does.
    """
    deadline = time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            if outcome := waiter.wait(min(left, POLL_SECONDS)):
                return _answer_outcome(asked, outcome)
            admission = admitting.by_order(asked.order_id)
            if admission and admission.state != "queued":
                return _answer_admission(asked, admission)
        return _answer_202(asked)
    except SQLAlchemyError:
        return _commit_unknown(asked)


def _answer_outcome(asked: AdmissionRequest, outcome: dict[str, Any]) -> Response:
    """The answer in the worker's wake-up."""
    if outcome["answer"] is None:
        raise _refusal(asked, outcome["rejection"], outcome["errorData"])
    return _answer(asked.order_id, 201, outcome["answer"])


def _answer_admission(asked: AdmissionRequest, admission: Admission) -> Response:
    """The answer in the committed admission."""
    if admission.answer_status is None or admission.answer is None:
        raise _refusal(asked, admission.rejection, None)
    return _answer(asked.order_id, admission.answer_status, admission.answer)


def _answer_202(asked: AdmissionRequest) -> Response:
    """202, unless the order was placed in this very moment."""
    if admitting.answer_202(asked.order_id):
        return _accepted(asked.order_id)
    admission = admitting.by_order(asked.order_id)
    if admission is None:
        raise ConcurrentRequest
    return _answer_admission(asked, admission)


def _commit_unknown(asked: AdmissionRequest) -> Response:
    """Postgres failed while the request waited: an answer that is not committed must not be given."""
    try:
        return _answer_202(asked)
    except SQLAlchemyError as error:
        log.warning("accepted, but Postgres does not say how it ended")
        raise ConcurrentRequest from error


def _refusal(asked: AdmissionRequest, rejection: str | None, data: dict[str, Any] | None) -> Exception:
    if rejection != ActiveOrderExists.code:
        return ConcurrentRequest()
    return ActiveOrderExists(data=data or {"activeOrderId": admitting.active_order(asked.customer_id)})


def _accepted(order_id: str, headers: dict[str, str] | None = None) -> Response:
    return _answer(order_id, 202, admitting.queued_answer(order_id), headers)


def _answer(order_id: str, status: int, data: str, headers: dict[str, str] | None = None) -> Response:
    return success_text(data, status, {"Location": LOCATION + order_id, **(headers or {})})
