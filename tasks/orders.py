"""Orders: placed on a queue of their own; cancelled by whoever asks, at once."""

import orjson
import redis
import structlog

from models import live
from models.live import idempotency, order_lock
from tasks import AWAY, app
from tasks.followups import follow
from workers import cancelling, placing
from workers.placing import Outcome

log = structlog.get_logger()


@app.task(name="orders.place", throws=AWAY)
def place(order_id: str, request_id: str = "") -> None:
    """Places one admission. No retry of its own: what fails is found by `sweeps.recover`."""
    with structlog.contextvars.bound_contextvars(order_id=order_id, request_id=request_id):
        _finish(placing.place(order_id))


def place_overdue(order_id: str, request_id: str) -> bool:
    """Places one admission that its task has not; false if it is decided already or being placed."""
    with structlog.contextvars.bound_contextvars(order_id=order_id, request_id=request_id):
        return _finish(placing.place_overdue(order_id))


def _finish(outcome: Outcome | None) -> bool:
    if outcome is None:
        return False
    log.info("order " + outcome.state, rejection=outcome.rejection)
    _announce(outcome)
    follow(outcome.followup)
    return True


def _announce(outcome: Outcome) -> None:
    """Wakes the waiting request and fills the idempotency cache; Postgres knows it all anyway."""
    try:
        if outcome.answer and outcome.idempotency_key and not outcome.answered_202:
            answer = idempotency.Answer(outcome.order_id, outcome.fingerprint, 201, outcome.answer)
            idempotency.remember(outcome.customer_id, outcome.idempotency_key, answer)
        live.commands().publish(f"web:{outcome.reply_to}", orjson.dumps(_reply(outcome)))
    except redis.RedisError:
        log.warning("outcome not announced; the door will look in Postgres")


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
    order_lock.give_up(customer_id, order_id)
    log.info("order cancelled", order_id=order_id)


def enqueue(order_id: str, request_id: str) -> bool:
    """Hands a committed admission to the workers; false if the broker is away (the sweep then does)."""
    if live.breaker.is_open:
        return False
    try:
        place.apply_async(args=(order_id, request_id), retry=False)
    except (place.OperationalError, redis.RedisError, OSError):
        live.breaker.trip()
        log.warning("broker away; the order waits for the sweep", order_id=order_id)
        return False
    return True
