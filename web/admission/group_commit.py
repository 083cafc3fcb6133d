"""Admits a batch of orders with one Redis script, one commit and one task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import redis
from sqlalchemy.exc import SQLAlchemyError

from models.live import order_gate
from models.live.idempotency import CachedAnswer
from models.live.order_gate import Entrant, Gate, RateLimited
from tasks import orders
from web.admission.batching import Abandoned, Batcher, BatchItem
from web.http.request_counters import counters
from web.limits import shedding
from web.limits.backlog import backlog
from web.wakeups import wakeups
from workers.orders import admitting

# A batch is in flight until the workers have answered it, at most this long. After a batch without an answer
# the next ones are in flight for the short time only, until a worker answers again.
FLIGHT_SECONDS = 0.1
SHORT_FLIGHT_SECONDS = 0.005


@dataclass(eq=False)
class Submission(BatchItem):
    """A request for an order on its way to being admitted.

    ``gate`` is the answer of Redis, ``None`` without Redis. ``admitted``: its row is committed; ``enqueued``:
    its task is published, else the sweep places it. ``commit_error`` is the commit's error, the same for
    every order in it.
    """

    request: admitting.AdmissionRequest
    gate: Gate | RateLimited | CachedAnswer | None = None
    admitted: bool = False
    enqueued: bool = False
    commit_error: SQLAlchemyError | None = None

    @property
    def may_be_admitted(self) -> bool:
        return self.gate in (Gate.ACQUIRED, None)


def _execute(submissions: Sequence[Submission]) -> None:
    _acquire(submissions)
    passed = [submission for submission in submissions if submission.may_be_admitted]
    try:
        _commit(passed)
    except BaseException:
        for submission in passed:
            undo(submission)
        raise


def _acquire(submissions: Sequence[Submission]) -> None:
    requests = [submission.request for submission in submissions]
    entrants = [Entrant(request.order_id, request.customer_id, request.key) for request in requests]
    try:
        answers = order_gate.acquire(entrants)
    except redis.RedisError:
        for _ in submissions:
            counters.let_through("orders")
        return
    for submission, answer in zip(submissions, answers, strict=True):
        submission.gate = answer


def _commit(submissions: Sequence[Submission]) -> None:
    """Commits the rows of these and enqueues those that are admitted."""
    if not submissions:
        return
    try:
        admitted_ids = admitting.admit([submission.request for submission in submissions])
    except SQLAlchemyError as error:
        for submission in submissions:
            submission.commit_error = error
        return
    admitted = [submission for submission in submissions if submission.request.order_id in admitted_ids]
    enqueued = bool(admitted) and orders.enqueue([submission.request.order_id for submission in admitted])
    for submission in admitted:
        submission.admitted, submission.enqueued = True, enqueued
        if enqueued:
            request = submission.request
            backlog.committed(request.order_id, (request.customer_id, request.key))


class _Flights:
    """Keeps a batch in flight until the workers have answered it, or the time is over."""

    def __init__(self) -> None:
        self._seconds = FLIGHT_SECONDS

    def wait(self, submissions: Sequence[Submission]) -> None:
        enqueued = next((submission for submission in submissions if submission.enqueued), None)
        if enqueued:
            answered = wakeups.outcome_within(enqueued.request.order_id, self._seconds)
            self._seconds = FLIGHT_SECONDS if answered else SHORT_FLIGHT_SECONDS


_batcher = Batcher(_execute, on_finished=_Flights().wait)


def submit(
    request: admitting.AdmissionRequest, is_repeat: bool, has_hung_up: Callable[[], bool]
) -> Submission:
    """Submits a request to the next batch; a repeat goes before the others.

    Raises ``ServiceUnavailable`` if the client hung up before the batch started; nothing was done then.
    """
    submission = Submission(request, urgent=is_repeat, is_abandoned=has_hung_up)
    with backlog.entered((request.customer_id, request.key)):
        try:
            _batcher.submit(submission)
        except Abandoned:
            shedding.count("gone")
            raise shedding.overloaded() from None
    return submission


def commit_alone(submission: Submission) -> None:
    """Commits one submission of a batch whose commit has failed. Raises SQLAlchemy's errors."""
    submission.commit_error = None
    _commit([submission])
    if submission.commit_error is not None:
        raise submission.commit_error


def undo(submission: Submission) -> None:
    """Releases what a request acquired at the gate, unless it was admitted."""
    if submission.gate is Gate.ACQUIRED and not submission.admitted:
        order_gate.undo(submission.request.customer_id, submission.request.order_id)
