"""Connections to Postgres, the single source of truth: two engines a process, short transactions."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import psycopg2
from psycopg2 import extensions
from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from models import poolers, settings, silence, sqlstates, store_urls


def _moment(value: str | bytes | None, cursor: extensions.cursor) -> datetime | None:
    try:
        return cast("datetime | None", extensions.PYDATETIMETZ(value, cursor))
    # Postgres' years go from 4713 BC to 294276.
    except (ValueError, OverflowError):
        return (datetime.min if str(value).endswith("BC") else datetime.max).replace(tzinfo=UTC)


# A time that Python cannot hold is read as the nearest it can: one row must not stop a page or a sweep.
extensions.register_type(extensions.new_type((1184,), "TIMESTAMPTZ", _moment))

# Stable constraint names, so that migrations can name them and errors can be distinguished.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# What a time that came from outside may be; infinity, which Postgres takes for one, is outside as well.
REASONABLE = "BETWEEN '2000-01-01Z' AND '2100-01-01Z'"

CONNECT_TIMEOUT_SECONDS = 2
# Where a host is gone, or packets are dropped, the kernel ends a connection after some 8 s instead of hours.
KERNEL = {
    "tcp_user_timeout": "8000",
    "keepalives_idle": "4",
    "keepalives_interval": "2",
    "keepalives_count": "2",
}
# One process runs one statement's Python at a time. More transactions at once would only hold their locks
# longer; waiting for a connection holds none.
POOL_SIZE = 6
POOL_TIMEOUT_SECONDS = 5
# Connections for reads; the others are left for orders.
READERS = 4
# A connection that has been idle for longer is asked whether it lives before it is used.
TRUSTED_SECONDS = 1.0
# While the server is read-only, connections are replaced at most so often.
LET_GO_SECONDS = 1.0
# SQLAlchemy's dialect only: the address is libpq's to read (`_connect`), and no engine knows the password.
DIALECT = "postgresql+psycopg2://"

# Everything after the first line, and in that line what a complaint about a value or a statement quotes:
# `invalid input syntax for type uuid: "..."`, `syntax error at or near "..."`.
_VALUES = re.compile(r"((?::| at or near) \"[^\n]*)?(\n.*)?\Z", re.DOTALL)


class Unavailable(OperationalError):
    """Postgres cannot be reached, refuses everybody (read-only, full, no rights), or gave a statement up for
    a reason that passes: 503, and a repeat can help.
    """


class _LetGo:
    """Connections older than this are replaced, in all engines of this process."""

    since = 0.0


def _connect() -> Any:
    """A connection with the limits that every transaction has here. They are set after connecting: a pooler
    refuses them in the address, and an address of its own may hold others.
    """
    silence.check()
    connection = open_connection()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(poolers.SET)
    connection.autocommit = False
    return connection


def open_connection() -> Any:
    """A plain connection to DATABASE_URL. Raises ``psycopg2.OperationalError``."""
    keywords: dict[str, Any] = KERNEL | store_urls.postgres(settings.load().database_url)
    keywords |= {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "client_encoding": "UTF8"}
    return psycopg2.connect(**keywords)


def _engine(**options: Any) -> Engine:
    made = create_engine(
        DIALECT,
        creator=_connect,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_use_lifo=True,
        # Values are names, phones and places, and errors go into logs.
        hide_parameters=True,
        **options,
    )
    event.listen(made, "connect", _note_begin)
    # Before what makes other errors of it.
    event.listen(made, "handle_error", _hide_values)
    event.listen(made, "checkin", _note_use)
    event.listen(made, "checkout", _ask_whether_alive)
    event.listen(made, "handle_error", _classify, retval=True)
    return made


def migrating_engine() -> Engine:
    """For the migrations, whose statements may take as long as they need."""
    return create_engine(DIALECT, creator=open_connection, poolclass=NullPool)


def _hide_values(context: ExceptionContext) -> None:
    """Removes what Postgres quotes of rows and statements in an error (DETAIL, CONTEXT, LINE), so that no
    log contains it. The diagnostics of the driver's error stay.
    """
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None:
            error.args = tuple(_VALUES.sub("", arg) if isinstance(arg, str) else arg for arg in error.args)


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The connections for transactions; one that died while idle is replaced before its use."""
    return _engine()


@lru_cache(maxsize=1)
def autocommit_engine() -> Engine:
    """Connections of their own for single statements: nothing to switch, and nothing that a dead
    connection could refuse to switch back.
    """
    return _engine(isolation_level="AUTOCOMMIT")


ENGINES = (engine, autocommit_engine)


def _note_begin(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["made_at"] = time.monotonic()


def _note_use(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _ask_whether_alive(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """The pool's own ping costs a round trip each time; this one only after a pause."""
    silence.check()
    now = time.monotonic()
    if record.info.get("made_at", now) <= _LetGo.since:
        # The pool throws it away, and all that are older, and comes again with a new one.
        raise InvalidatePoolError
    if now - record.info.get("used_at", now) < TRUSTED_SECONDS:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        # A ping must not leave a transaction open.
        connection.rollback()
    except psycopg2.Error as error:
        raise InvalidatePoolError from error


def _classify(context: ExceptionContext) -> Exception | None:
    """SQLAlchemy asks this of every error of the driver, at connecting and at a commit too."""
    if sqlstates.elsewhere(context.original_exception) and let_go():
        # This one goes at once; the others are replaced as they are taken.
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False
    error = context.sqlalchemy_exception
    return as_unavailable(error) if isinstance(error, DBAPIError) else None


def as_unavailable(error: DBAPIError) -> DBAPIError:
    """The error itself, or `Unavailable` if that is what it says."""
    cause = error.orig
    if cause is None or not (error.connection_invalidated or sqlstates.passing(cause)):
        return error
    return Unavailable(
        error.statement, error.params, cause, error.hide_parameters, error.connection_invalidated
    )


def let_go() -> bool:
    """Replaces every present connection at its next use, since the primary may be another server; false if
    that was done a moment ago.
    """
    now = time.monotonic()
    if now - _LetGo.since <= LET_GO_SECONDS:
        return False
    _LetGo.since = now
    return True


@contextmanager
def transaction() -> Iterator[Connection]:
    """One transaction: commits at the end of the block, rolls back on any exception."""
    with engine().begin() as connection:
        yield connection


@contextmanager
def statements() -> Iterator[Connection]:
    """A connection in autocommit: one round trip instead of three."""
    with autocommit_engine().connect() as connection:
        yield connection


@lru_cache(maxsize=1)
def _readers() -> threading.BoundedSemaphore:
    """Made at its first use, which is after gevent has replaced the locks."""
    return threading.BoundedSemaphore(READERS)


@contextmanager
def reads() -> Iterator[Connection]:
    """`statements` for what only shows something; never one inside another. Waits for its turn, and raises
    SQLAlchemy's ``TimeoutError`` as for a connection.
    """
    if not _readers().acquire(timeout=POOL_TIMEOUT_SECONDS):
        raise PoolTimeout("too many reads at once")
    try:
        with statements() as connection:
            yield connection
    finally:
        _readers().release()


def unreachable(error: BaseException) -> bool:
    """Whether Postgres was away, refused everybody, or gave up, so that a repeat can help."""
    return isinstance(error, Unavailable | PoolTimeout)


def refused(error: DBAPIError) -> bool:
    """Whether Postgres itself has said no to the statement, so that it has certainly not happened.

    A connection that ends may have ended after the commit.
    """
    return sqlstates.certain(error.orig)


def refuses_everybody(error: BaseException) -> bool:
    """Whether any other statement would be refused as well, so that trying them one by one is useless."""
    return isinstance(error, DBAPIError) and sqlstates.for_everybody(error.orig)


def check_at_start() -> None:
    """Ends a process that cannot work with its DATABASE_URL, with a sentence.

    In production it has to answer; elsewhere, and later on, a process waits until Postgres answers.
    """
    if reason := problem(must_answer=settings.load().production):
        settings.refuse(f"DATABASE_URL {reason}")


def problem(must_answer: bool) -> str:
    """What is wrong with DATABASE_URL, without its password; empty if nothing is."""
    try:
        with closing(open_connection()) as connection:
            return poolers.problem(connection, open_connection, settings.load().database_prepare)
    except psycopg2.Error as error:
        return f"does not work: {_first_line(error)}" if must_answer else ""


def _first_line(error: Exception) -> str:
    line = (str(error).splitlines() or ["no answer"])[0].strip()
    hint = ": take ?options=... out of it" if "unsupported startup parameter" in line else ""
    return store_urls.without_secrets(line, settings.load().database_url) + hint


def forget_connections() -> None:
    """Drops the connections inherited by a fork; the parent's stay open."""
    dispose(close=False)


def dispose(close: bool = True) -> None:
    """Drops all connections; new ones are made at the next use."""
    for cached_engine in ENGINES:
        cached_engine().dispose(close=close)
