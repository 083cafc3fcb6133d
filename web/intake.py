"""What the door does for all requests that have come at once: one question to Redis, one commit, one task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import redis
from sqlalchemy.exc import SQLAlchemyError

from models.live import idempotency, order_entry
from models.live.idempotency import Answer
from models.live.order_entry import Turn, Wait
from tasks import orders
from web import shedding
from web.backlog import backlog
from web.combining import Combiner, GivenUp
from web.traffic import board
from web.wakeups import wakeups
from workers import admitting

# The longest that new orders are held back for those before them, which the workers are at.
FLIGHT_SECONDS = 0.1
SHORT_FLIGHT_SECONDS = 0.005


@dataclass
class Entry:
    """How far a request has come.

    ``met`` is what it has met in Redis, ``None`` without Redis. ``admitted``: its row is committed;
    ``enqueued``: a worker hears of it at once, and not from the sweep. ``error`` is what the commit has
    raised, for all that were in it.
    """

    asked: admitting.Request
    met: Turn | Wait | Answer | None = None
    admitted: bool = False
    enqueued: bool = False
    error: SQLAlchemyError | None = None

    @property
    def may_be_admitted(self) -> bool:
        return self.met in (Turn.ENTERED, None)


def _take(some: Sequence[admitting.Request]) -> list[Entry]:
    entries = [Entry(asked) for asked in some]
    _enter(entries)
    wanted = [one for one in entries if one.may_be_admitted]
    try:
        _admit(wanted)
    except BaseException:
        for one in wanted:
            leave(one)
        raise
    return entries


def _enter(entries: Sequence[Entry]) -> None:
    requests = [
        order_entry.Request(one.asked.order_id, one.asked.customer_id, one.asked.key) for one in entries
    ]
    try:
        answers = order_entry.enter(requests)
    except redis.RedisError:
        for _ in entries:
            board.let_through("orders")
        return
    for one, answer in zip(entries, answers, strict=True):
        one.met = answer


def _admit(entries: Sequence[Entry]) -> None:
    if not entries:
        return
    try:
        admitted = admitting.admit([one.asked for one in entries])
    except SQLAlchemyError as error:
        for one in entries:
            one.error = error
        return
    for one in entries:
        one.admitted = one.asked.order_id in admitted
    wanted = [one for one in entries if one.admitted]
    enqueued = bool(wanted) and orders.enqueue([one.asked.order_id for one in wanted])
    for one in wanted:
        one.enqueued = enqueued
        if enqueued:
            backlog.committed(one.asked.order_id, (one.asked.customer_id, one.asked.key))


class _Flights:
    """Holds the next orders back until the workers have answered these, or have had the time for it.

    What comes meanwhile is committed and placed together, at a third of the cost. Where no worker answers
    there is nothing to wait for, until one does again.
    """

    def __init__(self) -> None:
        self._seconds = FLIGHT_SECONDS

    def landed(self, entries: Sequence[Entry]) -> None:
        flying = next((one for one in entries if one.enqueued), None)
        if flying:
            landed = wakeups.outcome_within(flying.asked.order_id, self._seconds)
            self._seconds = FLIGHT_SECONDS if landed else SHORT_FLIGHT_SECONDS


_together = Combiner(_take, _Flights().landed)


def take(asked: admitting.Request, is_repeat: bool, given_up: Callable[[], bool]) -> Entry:
    """Takes one request with all that have come at once; a repeat goes before the others.

    Raises ``ServiceUnavailable`` without having done anything if its client has hung up by then.
    """
    with backlog.entered((asked.customer_id, asked.key)):
        try:
            return _together.run(asked, is_repeat, given_up)
        except GivenUp:
            shedding.count("gone")
            raise shedding.overloaded() from None


_known = Combiner(idempotency.find_all)


def known(customer_id: str, key: str) -> Answer | None:
    """What was answered under this key lately; ``None`` without Redis. One round trip serves all."""
    try:
        return _known.run((customer_id, key))
    except redis.RedisError:
        return None


def take_alone(entry: Entry) -> None:
    """Admits one whose commit has failed together with others'; raises SQLAlchemy's errors."""
    entry.error = None
    _admit([entry])
    if entry.error is not None:
        raise entry.error


def leave(entry: Entry) -> None:
    """Undoes the entering of a request that was not admitted."""
    if entry.met is Turn.ENTERED and not entry.admitted:
        order_entry.leave(entry.asked.customer_id, entry.asked.order_id)
