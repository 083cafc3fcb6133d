"""Orders: placed on a queue of their own; cancelled by whoever asks, at once."""

from collections.abc import Sequence

import orjson
import redis
import structlog

from models import live
from models.live import idempotency, order_lock
from tasks import AWAY, app
from tasks.followups import follow, follow_all
from workers import cancelling, placing
from workers.deciding import Outcome

log = structlog.get_logger()


@app.task(name="orders.place", throws=AWAY)
def place(order_ids: list[str]) -> None:
    """Places one batch of admissions. No retry of its own: `sweeps.recover` finds what has failed."""
    outcomes, locks = placing.place(order_ids)
    try:
        pipeline = live.Pipeline()
        # Released first: a customer who is answered can order again at once.
        locks.release(pipeline)
        _finish(outcomes, pipeline)
    finally:
        locks.ensure_released()


def place_overdue(order_id: str) -> bool:
    """Places one admission that its task has not; false if it is decided already or being placed."""
    outcome = placing.place_overdue(order_id)
    if outcome is None:
        return False
    _finish([outcome])
    return True


def place_overdue_together(order_ids: Sequence[str]) -> None:
    """The same for several that were never tried."""
    _finish(placing.place_overdue_together(order_ids))


def _finish(outcomes: Sequence[Outcome], pipeline: live.Pipeline | None = None) -> None:
    """Wakes the waiting requests, fills the idempotency cache and asks the drivers, in one round trip."""
    pipeline = pipeline or live.Pipeline()
    for one in outcomes:
        log.info(
            "order " + one.state, rejection=one.rejection, order_id=one.order_id, request_id=one.request_id
        )
    pipeline.add(_announcements(outcomes))
    follow_all([one.followup for one in outcomes if one.followup], pipeline)


def _announcements(outcomes: Sequence[Outcome]) -> list[live.Command]:
    """Where they fail, Postgres knows it all: the door looks there."""
    replies: dict[str, list[dict[str, object]]] = {}
    commands: list[live.Command] = []
    for one in outcomes:
        if one.answer and one.idempotency_key and not one.answered_202:
            answer = idempotency.CachedAnswer(one.order_id, one.fingerprint, 201, one.answer)
            commands.append(idempotency.remembering(one.customer_id, one.idempotency_key, answer))
        replies.setdefault(one.reply_to, []).append(_reply(one))
    commands += [("PUBLISH", f"web:{instance}", orjson.dumps(some)) for instance, some in replies.items()]
    return commands


def _reply(outcome: Outcome) -> dict[str, object]:
    return {
        "orderId": outcome.order_id,
        "state": outcome.state,
        "answer": outcome.answer,
        "rejection": outcome.rejection,
        "errorData": outcome.error_data,
    }


def cancel(customer_id: str, order_id: str, reason: str) -> None:
    """Cancels an order in the caller's process: its answer means that it is done, and that the customer
    can order again. (An order that nobody had placed yet still holds the lock that the door took.)
    """
    follow(cancelling.cancel(customer_id, order_id, reason))
    order_lock.release_quietly(customer_id, order_id)
    log.info("order cancelled", order_id=order_id)


def enqueue(order_ids: Sequence[str]) -> bool:
    """Hands committed admissions to the workers; false if the broker is away (the sweep then does)."""
    if live.breaker.is_open:
        return False
    try:
        place.delay(list(order_ids))
    except (place.OperationalError, redis.RedisError, OSError):
        live.breaker.trip()
        log.warning("broker away; the orders wait for the sweep", order_ids=list(order_ids))
        return False
    return True
