"""The sweeps of what is due. Each may run twice, or on two beats at once, without harm."""

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import structlog
from celery import Task

from models.live import alive, sweep_turns
from models.outbox import Followup
from tasks import AWAY, app, followups, orders
from tasks.followups import follow_all
from workers import cleaning, failing, retention, revoking
from workers.offers import waves
from workers.orders import expiring, recovering
from workers.reading import hour

log = structlog.get_logger()

# Rows looked up at once.
LOOKED_UP = 100
# Rows in one transaction: the messages of all go in one command, which holds Redis for some ms.
TOGETHER = 25
# Fewer searches are no backlog but a second's work, which would delay the orders of that second if it were
# done at once. So it is done in smaller pieces, with a pause after each that is as long as the piece took, in
# all at most so long (s).
BACKLOG = 400
PIECE = 10
PAUSES_SECONDS = 0.25
# A sweep continues while more is due, but the others wait for the same worker.
AT_MOST_SECONDS = 0.9

# An order's id, or another row that is due.
Due = TypeVar("Due")


def _itself(due: Hashable) -> Hashable:
    return due


def _until_done(
    due: Callable[[int], Sequence[Due]],
    work: Callable[[Sequence[Due]], int],
    name: Callable[[Due], Hashable] = _itself,
    at_once: int = LOOKED_UP,
) -> int:
    """Repeats it until nothing new is due or the time is over; how many were done.

    A row that stays due, because it failed or another process holds it, is tried once and does not stop the
    others.
    """
    until, tried, stuck, done = time.monotonic() + AT_MOST_SECONDS, set[Hashable](), 0, 0
    while True:
        found = due(at_once + stuck)
        new = [row for row in found if name(row) not in tried]
        stuck = len(found) - len(new)
        tried.update(map(name, new))
        done += work(new) if new else 0
        if len(new) < at_once or time.monotonic() >= until:
            return done


def _each(
    batch: str,
    due: Sequence[Due],
    work: Callable[[Sequence[Due]], int],
    name: Callable[[Due], Hashable] = _itself,
    spread: bool = False,
) -> int:
    """Does what is due, some rows at a time; how many. A row that fails alone is left behind."""
    done, together, pauses = 0, TOGETHER, 0.0
    if spread and len(due) < BACKLOG:
        together, pauses = PIECE, PAUSES_SECONDS
    for begin in range(0, len(due), together):
        rows, begun = due[begin : begin + together], time.monotonic()
        try:
            for number in failing.apart(batch, rows, work, lambda row: str(name(row))):
                done += number
        except AWAY as error:
            log.warning(batch + " put off", ids=[str(name(row)) for row in rows], error=type(error).__name__)
        pause = min(pauses, time.monotonic() - begun)
        time.sleep(pause)
        pauses -= pause
    return done


def _then_follow(step: Callable[[Sequence[Due]], Sequence[Followup]]) -> Callable[[Sequence[Due]], int]:
    """The step and then its follow-ups."""

    def work(rows: Sequence[Due]) -> int:
        followups = step(rows)
        follow_all(followups)
        return len(followups)

    return work


class Sweep(Task):  # type: ignore[type-arg]
    """Does nothing if the same sweep has begun a moment ago: queued ones pile up while no worker runs."""

    # Several sweeps a second would push every order out of Flower's history.
    send_events = False

    def __call__(self, *args: Any, **options: Any) -> Any:
        if self.request.called_directly or sweep_turns.begin(self.name):
            return self.run(*args, **options)
        return 0


def expire() -> int:
    """Ends the searches whose time is over."""
    return _until_done(
        lambda limit: expiring.due(limit=limit),
        lambda due: _each("expire", due, _then_follow(expiring.expire_all), spread=True),
        at_once=BACKLOG,
    )


def send_waves() -> int:
    """Sends the waves that are due. That this runs shows that beat is alive."""
    alive.say(alive.BEAT)
    return _until_done(
        lambda limit: waves.due(limit=limit),
        lambda due: _each("waves", due, _then_follow(waves.next_waves), spread=True),
        at_once=BACKLOG,
    )


def recover() -> int:
    """Places overdue admissions; how many it tried."""
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
    """Places together what was never tried, which saves time when many wait."""
    tried: set[str] = set()
    for begin in range(0, len(order_ids), TOGETHER):
        first = recovering.first_tries(order_ids[begin : begin + TOGETHER])
        if not first:
            continue
        tried.update(first)
        try:
            orders.place_overdue_together(first)
        except AWAY as error:
            log.warning("placing put off", orders=len(first), error=type(error).__name__)
            for order_id in first:
                recovering.forgive(order_id)
        except Exception:
            log.exception("placing failed", orders=len(first))
    return tried


def _try_to_place(order_id: str) -> None:
    try:
        if not orders.place_overdue(order_id):
            recovering.forgive(order_id)
    except AWAY as error:
        log.warning("placing put off", error=type(error).__name__)
        recovering.forgive(order_id)
    except Exception:
        # A bad row must not stop the next ones; its tries are counted.
        log.exception("placing failed")


def deliver() -> int:
    """Finishes the follow-ups of processes that died."""
    return _until_done(
        followups.overdue, lambda due: _each("deliver", due, followups.deliver, _row_id), _row_id
    )


def _row_id(followup: Followup) -> int:
    return followup.id


@app.task(name="sweeps.each_second", base=Sweep)
def each_second() -> dict[str, int]:
    """What is looked for each second; how many of each were found. One task, since a task costs more than a
    look that finds nothing.
    """
    return {name: _step(name, step) for name, step in EACH_SECOND.items()}


@app.task(name="sweeps.forget", base=Sweep, throws=AWAY)
def forget() -> int:
    """Deletes admissions past their retention. More often than the cleanup: a hundred a second arrive."""
    return cleaning.forget_admissions()


@app.task(name="sweeps.sample", base=Sweep, throws=AWAY)
def sample() -> None:
    """Keeps the figures of this minute, for the lines of the console."""
    hour.sample()


@app.task(name="sweeps.retain", base=Sweep, throws=AWAY)
def retain() -> int:
    """Deletes what is older than RETENTION_DAYS; little at a time, since the other sweeps wait meanwhile."""
    return retention.forget()


@app.task(name="sweeps.cleanup", base=Sweep)
def cleanup() -> None:
    """The safety net: overdue searches, silent drivers, admissions past their retention."""
    found = {name: _step(name, step) for name, step in CLEANING.items()}
    log.info("cleaned up", **found)


# By their names in the log. A failure of one does not stop the others.
EACH_SECOND: dict[str, Callable[[], int]] = {
    "expire": expire,
    "waves": send_waves,
    "recover": recover,
    "deliver": deliver,
}
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
        log.warning("sweep put off", sweep=name, error=type(error).__name__)
    except Exception:
        log.exception("sweep failed", sweep=name)
    return 0
