"""Whatever is due, every second; each may run twice, or on two beats at once, without harm."""

from collections.abc import Callable

import structlog

from models.live import alive
from models.outbox import Followup
from tasks import AWAY, app, followups, orders
from tasks.followups import follow
from workers import cleaning, expiring, recovering, revoking, waves

log = structlog.get_logger()


def _each(name: str, order_ids: list[str], step: Callable[[str], Followup | None]) -> int:
    """Runs one step for each order; one that fails is logged and does not stop the others."""
    done = 0
    for order_id in order_ids:
        try:
            followup = step(order_id)
        except AWAY as error:
            log.warning(name + " put off", order_id=order_id, error=type(error).__name__)
            continue
        except Exception:
            log.exception(name + " failed", order_id=order_id)
            continue
        follow(followup)
        done += followup is not None
    return done


@app.task(name="sweeps.expire", throws=AWAY)
def expire() -> int:
    """Ends the searches whose time is over."""
    return _each("expire", expiring.due(), expiring.expire)


@app.task(name="sweeps.waves", throws=AWAY)
def send_waves() -> int:
    """Sends the waves that are due. Beat lives if this runs."""
    alive.say(alive.BEAT)
    return _each("wave", waves.due(), waves.next_wave)


@app.task(name="sweeps.recover", throws=AWAY)
def recover() -> int:
    """Places the admissions that nobody placed."""
    tried = 0
    for order_id, request_id in recovering.overdue():
        with structlog.contextvars.bound_contextvars(order_id=order_id, request_id=request_id):
            if recovering.may_try(order_id):
                _try_to_place(order_id)
                tried += 1
    return tried


def _try_to_place(order_id: str) -> None:
    try:
        if not orders.place_overdue(order_id):
            recovering.forgive(order_id)
    except AWAY as error:
        log.warning("placing put off", error=type(error).__name__)
        recovering.forgive(order_id)
    except Exception:
        # Whatever is wrong with this row, the next ones must not wait for it; its tries are counted.
        log.exception("placing failed")


@app.task(name="sweeps.deliver", throws=AWAY)
def deliver() -> int:
    """Finishes the follow-ups that somebody left."""
    return followups.deliver_overdue()


@app.task(name="sweeps.cleanup", throws=AWAY)
def cleanup() -> None:
    """The safety net: overdue searches, silent drivers, admissions past their time."""
    expired = _each("expire", expiring.due(limit=1000), expiring.expire)
    silent = cleaning.drop_silent_drivers()
    forgotten = cleaning.forget_admissions()
    tokens = revoking.forget()
    log.info("cleaned up", expired=expired, silent_drivers=silent, admissions=forgotten, tokens=tokens)
