"""Processes rows together. One that fails alone is found, recorded and left behind; the others go on."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import redis
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from models import db

log = structlog.get_logger()

Item = TypeVar("Item")
Result = TypeVar("Result")

# A failing row is tried again in pauses that double, up to this.
LONGEST_PAUSE_SECONDS = 300
# Errors with which Redis refuses every command of a kind; others are of the command that was sent.
REFUSALS = (
    *("READONLY", "OOM", "MISCONF", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS"),
    *("NOAUTH", "NOPERM", "BUSY "),
)

NOTE = text(f"""
    INSERT INTO failed_rows (batch, row_id, failures, not_before, failed_at, error)
    VALUES (:batch, :row_id, 1, now() + interval '2 seconds', now(), :error)
    ON CONFLICT (batch, row_id) DO UPDATE SET failures = failed_rows.failures + 1, failed_at = now(),
        error = excluded.error, not_before = now() + interval '1 second'
            * least(power(2, least(failed_rows.failures + 1, 30)), {LONGEST_PAUSE_SECONDS})
""")
# A row that has not failed again for so long is done, or its order has ended.
FORGET = text("DELETE FROM failed_rows WHERE failed_at < coalesce(:now, now()) - interval '1 hour'")


def store_away(error: BaseException) -> bool:
    """Whether a store is down or refuses everything, so that no row is at fault."""
    if isinstance(error, DBAPIError) and db.refused(error) and not db.refuses_everybody(error):
        # Of one row, even if that is only locked.
        return False
    if isinstance(error, redis.ResponseError):
        return any(refusal in str(error) for refusal in REFUSALS)
    return isinstance(error, redis.RedisError) or db.unreachable(error)


def apart(
    batch: str,
    rows: Sequence[Item],
    step: Callable[[Sequence[Item]], Result],
    name: Callable[[Item], str] = str,
) -> Iterator[Result]:
    """Runs a step for all rows, and if that fails for each half of them, down to the rows that fail alone:
    those are recorded under their names and left out. Yields the results.

    The step must do all or nothing, or be repeatable. Raises errors of a store that is down.
    """
    if not rows:
        return
    try:
        result = step(rows)
    except Exception as error:
        if store_away(error):
            raise
        if len(rows) == 1:
            note(batch, name(rows[0]), error)
            return
        log.warning(f"{batch} in parts", rows=len(rows), error=type(error).__name__)
    else:
        yield result
        return
    middle = len(rows) // 2
    yield from apart(batch, rows[:middle], step, name)
    yield from apart(batch, rows[middle:], step, name)


def note(batch: str, row_id: str, error: Exception) -> None:
    """Logs a row that failed alone, counts the failure, and leaves the row behind for a while."""
    log.error(f"{batch} failed", row_id=row_id, exc_info=error)
    try:
        with db.statements() as connection:
            connection.execute(NOTE, {"batch": batch, "row_id": row_id, "error": type(error).__name__})
    except SQLAlchemyError as away:
        log.warning("failure not noted", batch=batch, row_id=row_id, error=type(away).__name__)


def forget(now: datetime | None = None) -> int:
    """Deletes records of rows that have not failed for an hour; how many."""
    with db.statements() as connection:
        return connection.execute(FORGET, {"now": now}).rowcount


def readable(what: str, rows: Collection[Item], view: Callable[[Item], Result]) -> list[Result]:
    """The views of rows; a row that cannot be shown is logged and left out of the page."""
    shown = []
    for row in rows:
        try:
            shown.append(view(row))
        except Exception:
            log.exception(f"{what} left out", row_id=str(getattr(row, "id", "")))
    return shown
