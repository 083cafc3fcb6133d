"""Whatever is due, every second; each may run twice, or on two beats at once, without harm."""

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import structlog
from celery import Task

from models.live import alive, sweep_turns
from models.outbox import Followup
from tasks import AWAY, app, followups, orders
from tasks.followups import follow_all
from workers import cleaning, expiring, failing, recovering, revoking, waves

log = structlog.get_logger()

# So many orders in one transaction: their people are told in one command, which holds Redis for some ms.
TOGETHER = 25


# So many are looked up at once, and a sweep goes on while more is due, for so long: the others wait for the
# same worker.
LOOKED_UP = 4 * TOGETHER
AT_MOST_SECONDS = 0.9

# An order's id, or what else names what is due.
Due = TypeVar("Due")


def _itself(due: Hashable) -> Hashable:
    return due


def _until_done(
    due: Callable[[int], Sequence[Due]],
    work: Callable[[Sequence[Due]], int],
    name: Callable[[Due], Hashable] = _itself,
) -> int:
    """Repeats it until nothing new is due or the time is over; how many were done.

    What stays due, since it failed or somebody else holds it, is tried once and does not stop the others.
    """
    until, tried, stuck, done = time.monotonic() + AT_MOST_SECONDS, set[Hashable](), 0, 0
    while True:
        found = due(LOOKED_UP + stuck)
        new = [one for one in found if name(one) not in tried]
        stuck = len(found) - len(new)
        tried.update(map(name, new))
        done += work(new) if new else 0
        if len(new) < LOOKED_UP or time.monotonic() >= until:
            return done


def _each(
    batch: str,
    due: Sequence[Due],
    work: Callable[[Sequence[Due]], int],
    name: Callable[[Due], Hashable] = _itself,
) -> int:
    """Does what is due, some at a time; how many. What fails by itself is left behind."""
    done = 0
    for begin in range(0, len(due), TOGETHER):
        some = due[begin : begin + TOGETHER]
        try:
            for number in failing.apart(batch, some, work, lambda one: str(name(one))):
                done += number
        except AWAY as error:
            log.warning(batch + " put off", ids=[str(name(one)) for one in some], error=type(error).__name__)
    return done


def _then_follow(step: Callable[[Sequence[Due]], Sequence[Followup]]) -> Callable[[Sequence[Due]], int]:
    """The step with what follows it."""

    def work(some: Sequence[Due]) -> int:
        followups = step(some)
        follow_all(followups)
        return len(followups)

    return work


class Sweep(Task):  # type: ignore[type-arg]
    """One that is taken from the queue right after another of its name does nothing."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self.request.called_directly or sweep_turns.begin(self.name):
            return self.run(*args, **options)
        return 0


@app.task(name="sweeps.expire", base=Sweep, throws=AWAY)
def expire() -> int:
    """Ends the searches whose time is over."""
    return _until_done(
        lambda limit: expiring.due(limit=limit),
        lambda due: _each("expire", due, _then_follow(expiring.expire_all)),
    )


@app.task(name="sweeps.waves", base=Sweep, throws=AWAY)
def send_waves() -> int:
    """Sends the waves that are due. Beat lives if this runs."""
    alive.say(alive.BEAT)
    return _until_done(
        lambda limit: waves.due(limit=limit), lambda due: _each("waves", due, _then_follow(waves.next_waves))
    )


@app.task(name="sweeps.recover", base=Sweep, throws=AWAY)
def recover() -> int:
    """Places the admissions that nobody placed; how many it tried."""
    return _until_done(lambda limit: recovering.overdue(limit=limit), _recover)


def _recover(found: Sequence[tuple[str, str]]) -> int:
    first = _first_tries([order_id for order_id, _ in found])
    tried = len(first)
    for order_id, request_id in found:
        if order_id in first:
            continue
        with structlog.contextvars.bound_contextvars(order_id=order_id, request_id=request_id):
            tried += sum(failing.apart("recover", [order_id], _try_again))
    return tried


def _try_again(order_ids: Sequence[str]) -> int:
    (order_id,) = order_ids
    if not recovering.may_try(order_id):
        return 0
    _try_to_place(order_id)
    return 1


def _first_tries(order_ids: Sequence[str]) -> set[str]:
    """Places together what was never tried before; when many wait, the workers need the time."""
    tried: set[str] = set()
    for begin in range(0, len(order_ids), TOGETHER):
        some = recovering.first_tries(order_ids[begin : begin + TOGETHER])
        if not some:
            continue
        tried.update(some)
        try:
            orders.place_overdue_together(some)
        except AWAY as error:
            log.warning("placing put off", orders=len(some), error=type(error).__name__)
            for order_id in some:
                recovering.forgive(order_id)
        except Exception:
            log.exception("placing failed", orders=len(some))
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


@app.task(name="sweeps.deliver", base=Sweep, throws=AWAY)
def deliver() -> int:
    """Finishes the follow-ups that somebody left."""
    return _until_done(
        followups.overdue, lambda due: _each("deliver", due, followups.deliver, _row_id), _row_id
    )


def _row_id(followup: Followup) -> int:
    return followup.id


@app.task(name="sweeps.forget", base=Sweep, throws=AWAY)
def forget() -> int:
    """Deletes admissions past their time, more often than the cleaning: a hundred a second come by."""
    return cleaning.forget_admissions()


@app.task(name="sweeps.cleanup", base=Sweep, throws=AWAY)
def cleanup() -> None:
    """The safety net: overdue searches, silent drivers, admissions past their time."""
    found = {name: _step(name, step) for name, step in CLEANING.items()}
    log.info("cleaned up", **found)


# By what the log calls them; one that fails does not keep the others from being done.
CLEANING: dict[str, Callable[[], int]] = {
    "expired": expire,
    "silent_drivers": cleaning.drop_silent_drivers,
    "admissions": cleaning.forget_admissions,
    "phones": cleaning.forget_phones,
    "tokens": revoking.forget,
    "failed_rows": failing.forget,
}


def _step(name: str, step: Callable[[], int]) -> int:
    try:
        return step()
    except AWAY as error:
        log.warning("not cleaned up", what=name, error=type(error).__name__)
    except Exception:
        log.exception("not cleaned up", what=name)
    return 0
