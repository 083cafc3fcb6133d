"""What a session here has to have set, and whether a pooler between us and Postgres keeps it."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

# Time limits are in ms, all below the customer's lock (10 s), so that its holder has finished before it
# expires.
# A prepared statement has one plan for all values (`models/prepared.py`).
# The styles are those that psycopg2 reads.
SESSION = {
    "lock_timeout": "3000",
    "statement_timeout": "5000",
    "idle_in_transaction_session_timeout": "8000",
    "TimeZone": "UTC",
    "plan_cache_mode": "force_generic_plan",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "default_transaction_isolation": "read committed",
}


def assignment(name: str) -> str:
    """A setting of a session as ``SET`` takes it."""
    return f"{name} = {SESSION[name] if name == 'DateStyle' else repr(SESSION[name])}"


SET = "; ".join(f"SET {assignment(name)}" for name in SESSION)

PID = "SELECT pg_backend_pid()"
# The settings of a session that sets nothing.
DEFAULTS = "SELECT name, reset_val FROM pg_settings WHERE name = ANY(%s)"


def problem(connection: Any, connect: Callable[[], Any], prepares: bool) -> str:
    """What to do about a pooler that keeps no session; empty if there is none, or it does no harm.

    ``connect`` makes a connection beside the given one.
    """
    # A pooler makes up the id in its greeting, but passes on answers of the server.
    connection.autocommit = True
    if _ask(connection, PID)[0][0] == connection.info.backend_pid or not _shares(connection, connect):
        return ""
    found = dict(_ask(connection, DEFAULTS, [list(SESSION)]))
    missing = {name: value for name, value in SESSION.items() if found.get(name) != value}
    if not missing and not prepares:
        return ""
    statements = " ".join(f"ALTER ROLE {connection.info.user} SET {assignment(name)};" for name in missing)
    return (
        "leads through a pooler that shares sessions (transaction mode), where limits of time are lost: use "
        "its session mode or the address of Postgres itself, or set DATABASE_PREPARE=false"
        + (f" and run there: {statements}" if statements else "")
    )


def _shares(connection: Any, connect: Callable[[], Any]) -> bool:
    """Whether two clients share one session, or one client gets changing sessions."""
    before = _ask(connection, PID)
    with closing(connect()) as beside:
        # Its transaction stays open, so that this session is taken.
        theirs = _ask(beside, PID)
        return theirs == before or _ask(connection, PID) != before


def _ask(connection: Any, statement: str, values: list[Any] | None = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[Any] = cursor.fetchall()
        return found
