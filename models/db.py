"""The way to Postgres, the single source of truth: one engine a process, short transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Connection, Engine, MetaData, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

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
SESSION = (
    "-c lock_timeout=3000 -c statement_timeout=5000 "
    "-c idle_in_transaction_session_timeout=8000 -c timezone=UTC"
)
CONNECT_TIMEOUT_SECONDS = 2
# Short transactions on two cores: more connections would only queue inside Postgres.
POOL_SIZE = 10
MAX_OVERFLOW = 20
POOL_TIMEOUT_SECONDS = 3


def sqlalchemy_url(url: str) -> str:
    """The plain URL, mapped to the driver in use (SQLAlchemy 2.1 would take psycopg 3)."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg2://" + url.removeprefix(scheme)
    return url


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The engine of this process; a dead connection is found and replaced before its use."""
    return create_engine(
        sqlalchemy_url(settings.load().database_url),
        pool_size=POOL_SIZE,
        max_overflow=MAX_OVERFLOW,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_pre_ping=True,
        pool_use_lifo=True,
        connect_args={"options": SESSION, "connect_timeout": CONNECT_TIMEOUT_SECONDS},
    )


@contextmanager
def transaction() -> Iterator[Connection]:
    """One transaction: commits at the end of the block, rolls back on any exception."""
    with engine().begin() as connection:
        yield connection


def unreachable(error: BaseException) -> bool:
    """Whether Postgres could not be reached or gave up, so that a repeat can help."""
    if isinstance(error, OperationalError | PoolTimeout):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def forget_connections() -> None:
    """Drops the connections inherited by a fork; the parent's stay open."""
    engine().dispose(close=False)
