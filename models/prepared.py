"""Statements that each connection prepares once and then runs by name: Postgres parses and plans less."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import structlog
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.exc import DBAPIError

from models import settings

log = structlog.get_logger()

DOLLARS = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
# Key in `Connection.info`, which is emptied with the connection: prepared names and when they were prepared.
KNOWN = "prepared"
# Postgres keeps a plan until a table is next analysed, and a plan for few searches can be slow with many.
KEPT_SECONDS = 10.0
# One plan serves all values and may have been made while a table was empty, when a sequential scan looked
# cheaper: such a plan must use an index.
SETTINGS = "SET LOCAL enable_seqscan TO off; "
# SQLSTATEs of a statement that is missing, exists already, or belongs to changed tables: a pooler has handed
# out another server, or the schema has changed.
LOST = frozenset({"26000", "42P05", "0A000"})


# A SQLAlchemy row: the columns are its attributes.
Row: TypeAlias = Any


class _Process:
    """Whether this process still prepares; it stops for good when a statement was lost."""

    prepares = True


class Prepared:
    """A statement with ``:names``; ``name`` is the prefix of its name in Postgres.

    Postgres infers the types of its parameters; an ambiguous one needs a cast. ``before`` holds further
    settings for its transaction. Values of settings stay until the end of the transaction.
    """

    def __init__(self, name: str, sql: str, before: str = "") -> None:
        self.sql, self._unprepared = sql, before + sql
        compiled = text(sql).compile(dialect=DOLLARS)
        self._order = tuple(compiled.positiontup or ())
        # The hash keeps two versions of a statement apart that meet on one server.
        self.name = f"{name}_{hashlib.sha256(str(compiled).encode()).hexdigest()[:8]}"
        self._prepare = f"PREPARE {self.name} AS {compiled}".replace("%", "%%")
        placeholders = ", ".join(["%s"] * len(self._order))
        self._execute = f"{before}{SETTINGS}EXECUTE {self.name} ({placeholders})"

    def execute(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Row]:
        """Runs the statement; prepares it first if this connection has not done so in the last 10 s.

        Raises SQLAlchemy's errors. A lost statement is run unprepared, as is every later one of this
        process; it fails only if its transaction had begun before.
        """
        if not (_Process.prepares and settings.load().database_prepare):
            return _rows(connection.execute(text(self._unprepared), values))
        driver: Any = connection.connection.driver_connection
        is_first = driver.get_transaction_status() == TRANSACTION_STATUS_IDLE
        try:
            return self._run(connection, values)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in LOST:
                raise
            _Process.prepares = False
            log.warning("statements are not prepared any more", statement=self.name, error=str(error.orig))
            if not is_first:
                raise
        driver.rollback()
        return _rows(connection.execute(text(self._unprepared), values))

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Row]:
        known = connection.info.setdefault(KNOWN, {})
        now, since = time.monotonic(), known.get(self.name)
        if since is None or now - since > KEPT_SECONDS:
            former = "" if since is None else f"DEALLOCATE {self.name}; "
            connection.exec_driver_sql(former + self._prepare)
            known[self.name] = now
        arguments = tuple(_argument(values[name]) for name in self._order)
        return _rows(connection.exec_driver_sql(self._execute, arguments))


def _rows(result: CursorResult[Any]) -> Sequence[Row]:
    return result.all() if result.returns_rows else []


def _argument(value: Any) -> Any:
    """A list becomes the text of an array, which takes the parameter's type; ``ARRAY[...]`` has its own."""
    if not isinstance(value, list):
        return value
    quoted = (str(item).replace("\\", "\\\\").replace('"', '\\"') for item in value)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"
