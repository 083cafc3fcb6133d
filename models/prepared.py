"""Statements that a connection parses and plans once in a while, and runs by their names between."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import psycopg2
import structlog
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extras import NamedTupleCursor
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.exc import DBAPIError

from models import db, settings, sqlstates

log = structlog.get_logger()

DOLLARS = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
# In `Connection.info`, which is emptied with the connection: the names that it has prepared, and when.
KNOWN = "prepared"
# Postgres keeps a plan until a table is next analysed, and a plan for few searches can be slow with many.
KEPT_SECONDS = 10.0
# Not there, there already, or of tables that have changed since: whoever answers is not who was asked to
# prepare (a pooler hands out servers), or not as he was.
LOST = frozenset({"26000", "42P05", "0A000"})


# A named tuple: the columns are its attributes.
Row: TypeAlias = Any


class _Process:
    """Whether this process still prepares; it stops for good where a statement was lost."""

    prepares = True


class Prepared:
    """A statement with ``:names``; ``name`` is the beginning of what Postgres calls it.

    Its parameters have the types that Postgres infers, so those that could be several things need a cast.
    ``before`` is sent with it each time: settings for its transaction.
    """

    def __init__(self, name: str, sql: str, before: str = "") -> None:
        self._sql, self._before = sql, before
        compiled = text(sql).compile(dialect=DOLLARS)
        self._order = tuple(compiled.positiontup or ())
        # Two versions of a statement that meet in one server have two names.
        self.name = f"{name}_{hashlib.sha256(str(compiled).encode()).hexdigest()[:8]}"
        self._prepare = f"PREPARE {self.name} AS {compiled}".replace("%", "%%")
        self._execute = f"EXECUTE {self.name} ({', '.join(['%s'] * len(self._order))})"

    def execute(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Row]:
        """Runs the statement, and prepares it first where this connection has not, or long ago.

        Raises SQLAlchemy's errors. A lost statement is run unprepared, and so is every later one of this
        process. It fails only where its transaction had begun before.
        """
        plain = self._before + self._sql
        if not (_Process.prepares and settings.load().database_prepare):
            return _plainly(connection, plain, values)
        driver: Any = connection.connection.driver_connection
        first = driver.get_transaction_status() == TRANSACTION_STATUS_IDLE
        try:
            return self._run(connection, values)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in LOST:
                raise
            _Process.prepares = False
            log.warning("statements are not prepared any more", statement=self.name, error=str(error.orig))
            if not first:
                raise
        driver.rollback()
        return _plainly(connection, plain, values)

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Row]:
        known = connection.info.setdefault(KNOWN, {})
        now, since = time.monotonic(), known.get(self.name)
        if since is None or now - since > KEPT_SECONDS:
            former = "" if since is None else f"DEALLOCATE {self.name}; "
            _send(connection, former + self._prepare, ())
            known[self.name] = now
        arguments = tuple(_argument(values[one]) for one in self._order)
        return _send(connection, self._before + self._execute, arguments)


def _plainly(connection: Connection, statement: str, values: Mapping[str, Any]) -> Sequence[Row]:
    result = connection.execute(text(statement), values)
    return result.all() if result.returns_rows else []


def _send(connection: Connection, statement: str, arguments: tuple[Any, ...]) -> Sequence[Row]:
    """Past SQLAlchemy, whose way around a statement takes longer than the driver's own."""
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor(cursor_factory=NamedTupleCursor) as cursor:
            cursor.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []
    except psycopg2.Error as error:
        raise _told(connection, statement, error) from error
    except Exception:
        raise
    except BaseException:
        # An answer that nobody has read must not meet the next question.
        connection.invalidate()
        raise


def _told(connection: Connection, statement: str, error: psycopg2.Error) -> Exception:
    """SQLAlchemy's error for the driver's. It hears of a connection that has ended by using it, and throws
    away what is as old.
    """
    dialect: Any = connection.dialect
    if sqlstates.elsewhere(error) and db.let_go():
        connection.invalidate(error)
    elif dialect.is_disconnect(error, connection.connection.driver_connection, None):
        with suppress(DBAPIError):
            connection.exec_driver_sql("SELECT 1")
        connection.invalidate(error)
    db.hide_values(error)
    gone = connection.invalidated
    made = DBAPIError.instance(
        statement, None, error, psycopg2.Error, connection_invalidated=gone, dialect=dialect
    )
    return db.as_unavailable(made) if isinstance(made, DBAPIError) else made


def _argument(value: Any) -> Any:
    """A list goes as the text of an array, which takes the type of its place; ``ARRAY[...]`` has its own."""
    if not isinstance(value, list):
        return value
    quoted = (str(one).replace("\\", "\\\\").replace('"', '\\"') for one in value)
    return "{" + ",".join(f'"{one}"' for one in quoted) + "}"
