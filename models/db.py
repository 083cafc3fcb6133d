"""The way to Postgres, the single source of truth: one engine a process, short transactions."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from models import settings

# Stable constraint names, so that migrations can name them and errors can be told apart.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# All below the customer's lock (10 s), so that whoever holds it has ended before it runs out.
# A prepared statement has one plan for all values (`models/prepared.py`), which may have been made while a
# table was empty, when reading it from end to end looked cheaper: rows are found by an index.
SESSION = (
    "-c lock_timeout=3000 -c statement_timeout=5000 -c idle_in_transaction_session_timeout=8000 "
    "-c timezone=UTC -c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
)
CONNECT_TIMEOUT_SECONDS = 2
# One process runs one statement's Python at a time. More transactions at once would only take turns
# while they hold their locks, until nobody gets on; waiting for a connection holds nothing.
POOL_SIZE = 6
POOL_TIMEOUT_SECONDS = 5
# A connection that has been idle for longer is asked whether it lives before it is used.
TRUSTED_SECONDS = 1.0


def sqlalchemy_url(url: str) -> str:
    """The plain URL, mapped to the driver in use (SQLAlchemy 2.1 would take psycopg 3)."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg2://" + url.removeprefix(scheme)
    return url


def _engine(**options: Any) -> Engine:
    made = create_engine(
        sqlalchemy_url(settings.load().database_url),
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_use_lifo=True,
        connect_args={"options": SESSION, "connect_timeout": CONNECT_TIMEOUT_SECONDS},
        **options,
    )
    event.listen(made, "checkin", _note_use)
    event.listen(made, "checkout", _ask_whether_alive)
    return made


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


def _note_use(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _ask_whether_alive(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """The pool's own ping costs a round trip each time; this one only after a pause."""
    if time.monotonic() - record.info.get("used_at", time.monotonic()) < TRUSTED_SECONDS:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        # A ping must not leave a transaction open.
        connection.rollback()
    except psycopg2.Error as error:
        # The pool throws it away, and all that are older, and comes again with a new one.
        raise DisconnectionError from error


@contextmanager
def transaction() -> Iterator[Connection]:
    """One transaction: commits at the end of the block, rolls back on any exception."""
    with engine().begin() as connection:
        yield connection


@contextmanager
def statements() -> Iterator[Connection]:
    """A connection on which each statement commits by itself: one round trip instead of three."""
    with autocommit_engine().connect() as connection:
        yield connection


def unreachable(error: BaseException) -> bool:
    """Whether Postgres could not be reached or gave up, so that a repeat can help."""
    if isinstance(error, OperationalError | PoolTimeout):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def refused(error: DBAPIError) -> bool:
    """Whether Postgres itself has said no to the statement, so that it has certainly not happened.

    A connection that ends (class 08, 57P) may have ended after the commit.
    """
    code = getattr(error.orig, "pgcode", None)
    return bool(code) and not str(code).startswith(("08", "57P"))


def require_in_production() -> None:
    """Ends a production process that starts with a DATABASE_URL that does not answer, with a sentence.

    A process that runs already waits for Postgres to come back.
    """
    if not settings.load().production:
        return
    url = sqlalchemy_url(settings.load().database_url).replace("+psycopg2", "", 1)
    try:
        psycopg2.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
    except psycopg2.OperationalError as error:
        reason = (str(error).splitlines() or ["no answer"])[0].strip()
        sys.exit(f"weelo: DATABASE_URL does not work: {reason}.")
    except psycopg2.Error:
        # What libpq says here quotes the address, with the password in it.
        sys.exit("weelo: DATABASE_URL is no address of a Postgres.")


def forget_connections() -> None:
    """Drops the connections inherited by a fork; the parent's stay open."""
    dispose(close=False)


def dispose(close: bool = True) -> None:
    """Drops all connections; whoever needs one makes it anew."""
    for each in ENGINES:
        each().dispose(close=close)
