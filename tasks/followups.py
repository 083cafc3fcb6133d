"""What follows a commit: caches dropped, people told, the driver index brought up to date.

Called at once by whoever committed, and by the sweep for whoever died before it got here; doing it
twice is harmless.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from models import clock, db, live, outbox
from models.live import mailbox, order_cache
from models.messages import Message
from models.outbox import Followup
from tasks import remaining
from workers import failing, locating, offering

log = structlog.get_logger()

# The committing process is usually done within milliseconds; what is older was left by a dead one.
OVERDUE_SECONDS = 2
# So many in one command, which holds Redis for some ms.
TOGETHER = 25


def follow(followup: Followup | None) -> None:
    """Does what follows one commit; what fails stays in the outbox for the sweep."""
    if followup is not None:
        follow_all([followup])


def follow_all(followups: Sequence[Followup], pipeline: live.Pipeline | None = None) -> None:
    """The same for several commits, in their order and in as many round trips as for one.

    The messages are added to ``pipeline``, which is executed in any case.
    """
    try:
        _finish(followups, pipeline)
    # What it follows is committed, so whoever waits for that must not hear of an error here.
    except Exception as error:
        # Without a follow-up it was answers to waiting requests, which look into Postgres.
        what = "follow-up left to the sweep" if followups else "wake-up lost"
        away, orders = failing.store_away(error), [one.order_id for one in followups]
        log.warning(what, order_ids=orders, error=type(error).__name__, exc_info=not away)
        if len(followups) > 1 and not away:
            for one in followups:
                follow_all([one])


def _finish(followups: Sequence[Followup], pipeline: live.Pipeline | None = None) -> int:
    _do(followups, pipeline or live.Pipeline())
    if followups:
        with db.statements() as connection:
            outbox.done(connection, [one.id for one in followups])
    return len(followups)


def _do(followups: Sequence[Followup], pipeline: live.Pipeline) -> None:
    for one in followups:
        if one.unreadable:
            raise one.unreadable
    if stale := [one.order_id for one in followups if not one.new]:
        order_cache.drop(stale)
    if changed := [driver for one in followups for driver in one.changed_drivers]:
        locating.refresh(changed, clock.now_ms())
    now = clock.now()
    told = [message for one in followups for message in _told(one)]
    first, rest = told[: mailbox.TOGETHER], told[mailbox.TOGETHER :]
    if first:
        pipeline.add([mailbox.putting(first, now)])
    recounts = [remaining.mark(pipeline, one.order_id, one.recounted) for one in followups if one.recounted]
    pipeline.execute()
    mailbox.put(rest, now)
    for begin in recounts:
        begin()


def _told(followup: Followup) -> Iterator[Message]:
    """Its messages, after those of the same order that came before; mailboxes take the same one once."""
    # An earlier one that cannot be read has no messages; the sweep tells of it.
    yield from (message for earlier in complete(followup.earlier) for message in earlier.messages)
    yield from followup.messages


def complete(followups: Sequence[Followup]) -> list[Followup]:
    """Makes the messages of waves anew; those of all in three statements."""
    waves = {one.id: (one.order_id, one.wave) for one in followups if one.wave is not None}
    told = dict(zip(waves, offering.broadcasts(list(waves.values())), strict=True)) if waves else {}
    return [replace(one, messages=told[one.id]) if one.id in told else one for one in followups]


def overdue(limit: int) -> list[Followup]:
    """What others have left, oldest first."""
    with db.statements() as connection:
        return outbox.overdue(connection, OVERDUE_SECONDS, limit)


def deliver(followups: Sequence[Followup]) -> int:
    """Finishes what others have left, all or none; how many."""
    return _finish(complete(followups))
