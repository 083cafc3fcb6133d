"""What is done after a commit: drop caches, notify people, update the driver index.

Called at once by the process that committed, and by the sweep if that process died; twice does no harm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from models import clock, db, live, outbox
from models.live import mailbox, order_cache
from models.messages import Message
from models.outbox import Followup
from tasks import remaining
from workers import failing
from workers.drivers import locating
from workers.offers import offering

log = structlog.get_logger()

# The committing process needs milliseconds; an older row was left by a process that died.
OVERDUE_SECONDS = 2


def follow(followup: Followup | None) -> None:
    """Does what follows one commit; the sweep repeats what fails."""
    if followup is not None:
        follow_all([followup])


def follow_all(followups: Sequence[Followup], pipeline: live.Pipeline | None = None) -> None:
    """The same for several commits, in their order and in as many round trips as for one.

    The messages are added to ``pipeline``, which is executed in any case.
    """
    try:
        _finish(followups, pipeline or live.Pipeline())
    # The changes are committed: their callers must not get an error from here.
    except Exception as error:
        # Without a follow-up it held answers for waiting requests, which then look into Postgres.
        event = "follow-up left to the sweep" if followups else "wake-up lost"
        away, order_ids = failing.store_away(error), [followup.order_id for followup in followups]
        log.warning(event, order_ids=order_ids, error=type(error).__name__, exc_info=not away)
        if len(followups) > 1 and not away:
            for followup in followups:
                follow_all([followup])


def _finish(followups: Sequence[Followup], pipeline: live.Pipeline) -> int:
    _do(followups, pipeline)
    if followups:
        with db.statements() as connection:
            outbox.done(connection, [followup.id for followup in followups])
    return len(followups)


def _do(followups: Sequence[Followup], pipeline: live.Pipeline) -> None:
    for followup in followups:
        if followup.unreadable:
            raise followup.unreadable
    if stale := [followup.order_id for followup in followups if not followup.new]:
        order_cache.drop(stale)
    if changed := [driver for followup in followups for driver in followup.changed_drivers]:
        locating.refresh(changed, clock.now_ms())
    now = clock.now()
    messages = [message for followup in followups for message in _messages(followup)]
    first, rest = messages[: mailbox.TOGETHER], messages[mailbox.TOGETHER :]
    if first:
        pipeline.add([mailbox.putting(first, now)])
    start_recounts = [
        remaining.mark(pipeline, followup.order_id, followup.recounted)
        for followup in followups
        if followup.recounted
    ]
    pipeline.execute()
    mailbox.put(rest, now)
    for start_recount in start_recounts:
        start_recount()


def _messages(followup: Followup) -> Iterator[Message]:
    """Its messages, after those of earlier ones of its order; mailboxes take the same message once."""
    # An unreadable earlier one has no messages; the sweep reports it.
    yield from (message for earlier in complete(followup.earlier) for message in earlier.messages)
    yield from followup.messages


def complete(followups: Sequence[Followup]) -> list[Followup]:
    """Makes the messages of waves again, with three statements for all of them."""
    waves = {
        followup.id: (followup.order_id, followup.wave) for followup in followups if followup.wave is not None
    }
    made = dict(zip(waves, offering.broadcasts(list(waves.values())), strict=True)) if waves else {}
    return [
        replace(followup, messages=made[followup.id]) if followup.id in made else followup
        for followup in followups
    ]


def overdue(limit: int) -> list[Followup]:
    """Follow-ups that other processes have left, oldest first."""
    with db.statements() as connection:
        return outbox.overdue(connection, OVERDUE_SECONDS, limit)


def deliver(followups: Sequence[Followup]) -> int:
    """Finishes them, all or none; returns how many."""
    return _finish(complete(followups), live.Pipeline())
