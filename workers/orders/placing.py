"""Turns admissions into orders with their truck requests and first offers, once each.

A batch takes one transaction and a few round trips. Each order still succeeds or fails alone: a batch that
fails is tried again order by order.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import redis
import structlog

from models import db, live
from models.live import order_lock
from models.prepared import Prepared, Row
from workers.offers import matching
from workers.orders.drafting import Draft, draft
from workers.orders.placing_sql import Outcome, insert_orders

log = structlog.get_logger()

# As in `workers.orders.placing_sql`, the plan must not use the index of the queued.
QUEUED = Prepared(
    "queued",
    """
    SELECT order_id, customer_id, request_id, payload, coalesce(:now, now()) AS at FROM admissions
    WHERE order_id = ANY(CAST(:ids AS uuid[])) AND state || '' = 'queued'
""",
)


def place(
    order_ids: Sequence[str], now: datetime | None = None
) -> tuple[list[Outcome], order_lock.HeldLocks]:
    """Places admissions; one that is decided already, or locked by another process, has no outcome.

    The second part are the locks that are still held. The caller releases them together with what follows
    the outcomes, and ends with their `ensure_released`.
    """
    waiting = list(_drafts(_queued(order_ids, now)))
    pipeline = live.Pipeline()
    found = _look_for_drivers(waiting, pipeline)
    locks = order_lock.take([_claim(draft) for draft in waiting], pipeline)
    try:
        found()
        ours = locks.tokens
        return _place([draft for draft in waiting if draft.id in ours], now), locks
    except BaseException:
        locks.ensure_released()
        raise


def place_overdue(order_id: str, now: datetime | None = None) -> Outcome | None:
    """The same for one, without taking the lock: no request waits any more, and a lock that a frozen Redis
    set for an earlier request must not delay an accepted order. The unique indexes decide. The lock that the
    door took for this order is released, so that its customer can order again.
    """
    waiting = _queued([order_id], now)
    if not waiting:
        return None
    try:
        return next(iter(_together([draft(waiting[0])], now)), None)
    finally:
        order_lock.release_quietly(waiting[0].customer_id, order_id)


def place_overdue_together(order_ids: Sequence[str], now: datetime | None = None) -> list[Outcome]:
    """The same for several that were never tried; one that fails is logged and has no outcome."""
    waiting = list(_drafts(_queued(order_ids, now)))
    try:
        return _place(waiting, now)
    finally:
        order_lock.release_all([_claim(draft) for draft in waiting])


def _claim(order: Draft) -> order_lock.Claim:
    return order_lock.Claim(order.id, order.customer_id, order.request_id)


def _queued(order_ids: Sequence[str], now: datetime | None) -> Sequence[Row]:
    with db.statements() as connection:
        return QUEUED.execute(connection, {"ids": list(order_ids), "now": now})


def _drafts(admissions: Sequence[Row]) -> Iterator[Draft]:
    """One that cannot be read is left out: the sweep counts its tries."""
    for admission in admissions:
        try:
            yield draft(admission)
        except Exception:
            log.exception("placing failed", order_id=str(admission.order_id), request_id=admission.request_id)


def _place(drafts: Sequence[Draft], now: datetime | None) -> list[Outcome]:
    """All together, or one by one if that fails: then only what fails alone is left to the sweep."""
    if len(drafts) < 2:
        return _together(drafts, now)
    try:
        return _together(drafts, now)
    except Exception as error:
        log.warning("placed one by one", orders=len(drafts), error=type(error).__name__)
    return [outcome for order in drafts for outcome in _alone(order, now)]


def _alone(order: Draft, now: datetime | None) -> list[Outcome]:
    try:
        return _together([order], now)
    except Exception as error:
        if db.unreachable(error):
            raise
        log.exception("placing failed", order_id=order.id, request_id=order.request_id)
    return []


def _together(drafts: Sequence[Draft], now: datetime | None) -> list[Outcome]:
    """All or none. If a second try for some of them fails, the sweeps notify of the orders that were placed
    before, as if this worker had died.
    """
    outcomes: list[Outcome] = []
    if unsearched := [order for order in drafts if order.found is None]:
        _find_drivers(unsearched)
    with db.statements() as connection:
        while drafts:
            decided, drafts = insert_orders(connection, drafts, now)
            outcomes += decided
    return outcomes


def _look_for_drivers(drafts: Sequence[Draft], pipeline: live.Pipeline) -> Callable[[], None]:
    """Adds the search for drivers to the pipeline; the result notes them after its execution. A failure is
    left to `_find_drivers`, so that one bad order does not stop the others.
    """
    try:
        found = matching.ask(pipeline, [order.search for order in drafts])
    except Exception:
        log.warning("drivers searched order by order", orders=len(drafts), exc_info=True)
        return lambda: None

    def note() -> None:
        try:
            answers = found()
        except redis.RedisError:
            return
        for order, offers in zip(drafts, answers, strict=True):
            order.found = offers

    return note


def _find_drivers(drafts: Sequence[Draft]) -> None:
    """Finds the drivers of the first wave; without Redis that wave is due at once."""
    try:
        answers = matching.find([order.search for order in drafts])
    except redis.RedisError:
        log.warning("no driver index; the first wave is left to the sweep")
        return
    for order, offers in zip(drafts, answers, strict=True):
        order.found = offers
