"""Orders: placed by workers of a queue of their own; cancelled in the caller's process."""

from collections.abc import Sequence

import orjson
import redis
import structlog

from models import live
from models.live import idempotency, order_lock
from tasks import AWAY, app
from tasks.followups import follow, follow_all
from workers.orders import cancelling, placing
from workers.orders.placing_sql import Outcome

log = structlog.get_logger()


@app.task(name="orders.place", throws=AWAY)
def place(order_ids: list[str]) -> dict[str, int]:
    """Places one batch of admissions. No retry of its own: `sweeps.recover` finds what has failed.

    What it returns is for Flower: how many orders were placed, and how many offers were made.
    """
    outcomes, locks = placing.place(order_ids)
    try:
        pipeline = live.Pipeline()
        # Released first: a customer who is answered can order again at once.
        locks.release(pipeline)
        _finish(outcomes, pipeline)
    finally:
        locks.ensure_released()
    followups = [outcome.followup for outcome in outcomes if outcome.followup]
    return {"placed": len(followups), "asked": sum(len(followup.messages) for followup in followups)}


def place_overdue(order_id: str) -> bool:
    """Places one admission whose task has not; false if it is decided or being placed."""
    outcome = placing.place_overdue(order_id)
    if outcome is None:
        return False
    _finish([outcome])
    return True


def place_overdue_together(order_ids: Sequence[str]) -> None:
    """The same for several that were never tried."""
    _finish(placing.place_overdue_together(order_ids))


def _finish(outcomes: Sequence[Outcome], pipeline: live.Pipeline | None = None) -> None:
    """Wakes the waiting requests, fills the idempotency cache and offers the orders, in one round trip."""
    pipeline = pipeline or live.Pipeline()
    for outcome in outcomes:
        log.info(
            "order " + outcome.state,
            rejection=outcome.rejection,
            order_id=outcome.order_id,
            request_id=outcome.request_id,
        )
    pipeline.add(_answers(outcomes))
    follow_all([outcome.followup for outcome in outcomes if outcome.followup], pipeline)


def _answers(outcomes: Sequence[Outcome]) -> list[live.Command]:
    """To the cache and to the web processes. If one is lost, the waiting request finds it in Postgres."""
    replies: dict[str, list[dict[str, object]]] = {}
    commands: list[live.Command] = []
    for outcome in outcomes:
        if outcome.answer and outcome.idempotency_key and not outcome.answered_202:
            answer = idempotency.CachedAnswer(outcome.order_id, outcome.fingerprint, 201, outcome.answer)
            commands.append(idempotency.remembering(outcome.customer_id, outcome.idempotency_key, answer))
        replies.setdefault(outcome.reply_to, []).append(_reply(outcome))
    commands += [("PUBLISH", f"web:{instance}", orjson.dumps(sent)) for instance, sent in replies.items()]
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
    """Cancels an order; when it returns the customer can order again. (The lock that the door took is still
    held if the order was not placed yet.)
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
