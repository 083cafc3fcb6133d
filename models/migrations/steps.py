"""What a migration does to tables in use: statements that commit one by one and let everybody else pass.

A statement that waits for its lock holds up all who come after it. So it waits for a moment only, lets them
pass, and tries again.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from alembic import op
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

# The longest that a step holds anybody up. Below Postgres' `deadlock_timeout` (1 s), so that a step never has
# the transaction of an order ended.
LOCK_MS = 300
# All who waited behind a step have passed before the next try.
PAUSE_SECONDS = 0.5
# A table that is held for longer needs a look at who holds it.
GIVES_UP_SECONDS = 600.0
# lock_not_available, deadlock_detected
TAKEN = ("55P03", "40P01")


def run(*statements: str) -> None:
    """Each is a transaction of its own. After a failure the migration begins again with the first one, so
    each has to bear a second run. Two that belong together are one string.
    """
    with op.get_context().autocommit_block():
        for statement in statements:
            # What is built beside others holds nobody up while it waits.
            op.execute(f"SET lock_timeout = {0 if 'CONCURRENTLY' in statement else LOCK_MS}")
            _persist(op.execute, statement)
        op.execute("SET lock_timeout = 0")


def repeat(statement: str) -> None:
    """A change of many rows: runs, some thousand rows a transaction, until it changes none."""
    if op.get_context().as_sql:
        run(statement)
        return
    with op.get_context().autocommit_block():
        op.execute(f"SET lock_timeout = {LOCK_MS}")
        while _persist(lambda: op.get_bind().execute(text(statement)).rowcount):
            pass
        op.execute("SET lock_timeout = 0")


def _persist(operation: Callable[..., Any], *arguments: Any) -> Any:
    """Its result, as soon as it gets its locks. Raises what it raises otherwise."""
    gives_up = time.monotonic() + GIVES_UP_SECONDS
    while True:
        try:
            return operation(*arguments)
        except DBAPIError as error:
            code = getattr(error.orig, "pgcode", None)
            if code not in TAKEN or time.monotonic() > gives_up:
                raise
        print(
            "weelo: a table is held by somebody else; the migration tries again", file=sys.stderr, flush=True
        )
        time.sleep(PAUSE_SECONDS)
