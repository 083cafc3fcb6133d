"""Real servers for the tests: a Postgres and a Valkey of their own, on free ports, gone afterwards."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from sqlalchemy import make_url

from models import clock, db, live, settings
from models.live import queues
from models.tables import all
from tests import pooler
from tools.local.stores import THROWAWAY_POSTGRES, THROWAWAY_VALKEY, Postgres, Valkey
from web.identity import keys, tokens
from web.limits.backlog import backlog

ROOT = Path(__file__).parent.parent
# A test that forgets to ask for the stores must not find somebody else's.
NOWHERE = {
    "APP_ENV": "test",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
os.environ.update(NOWHERE)
os.environ.pop("CELERY_BROKER_URL", None)
# As in development: with local variables a traceback takes half a second.
structlog.configure(
    processors=[
        structlog.stdlib.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
# A shell starts what runs in its background without SIGINT; then nothing that the tests start could be
# interrupted.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Stores:
    """The two servers and where they are."""

    postgres: Postgres
    valkey: Valkey

    @property
    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url}


def forget_configuration() -> None:
    """Makes this process read its settings again."""
    for cached in (
        settings.load,
        db.engine,
        db.autocommit_engine,
        live.commands,
        live.script,
        queues._broker,
        keys.usable,
        tokens.named_in,
    ):
        cached.cache_clear()
    clock.forget()
    live.breaker.reset()


@contextmanager
def process_settings(**environment: str) -> Iterator[None]:
    """This process works with these settings for the time of the block, then with those it had before.

    The only way in which a test points its process at other stores: what is still in use when the block
    ends, the session's stores above all, has to be found again.
    """
    try:
        with pytest.MonkeyPatch.context() as changed:
            for name, value in environment.items():
                changed.setenv(name, value)
            forget_configuration()
            try:
                yield
            finally:
                db.dispose()
    finally:
        forget_configuration()


@pytest.fixture(autouse=True)
def _not_behind() -> Iterator[None]:
    """The application inside a test's process refuses nothing because of what the test before has met. Also
    afterwards: fixtures of the next module come before this one.
    """
    live.breaker.reset()
    backlog.forget()
    yield
    live.breaker.reset()


def migrate(environment: dict[str, str]) -> None:
    """Brings a database to the newest version, as users do."""
    command = [sys.executable, "-m", "alembic", "-c", "models/migrations/alembic.ini", "upgrade", "head"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True, capture_output=True)


def empty_redis() -> None:
    """Empties the Redis that this process points at, whatever a test before has met there."""
    live.breaker.reset()
    live.commands().flushall()


def empty_tables() -> None:
    """Empties every table of the database that this process points at."""
    names = ", ".join(table.name for table in all.TABLES)
    with db.transaction() as connection:
        connection.exec_driver_sql(f"TRUNCATE {names}")


@contextmanager
def own_stores(prefix: str) -> Iterator[Stores]:
    """A Postgres and a Valkey in a folder of their own, with the newest tables; this process uses them."""
    base = Path(tempfile.mkdtemp(prefix=prefix))
    both = Stores(Postgres(base / "postgres", THROWAWAY_POSTGRES), Valkey(base / "valkey", THROWAWAY_VALKEY))
    try:
        with started(both, {}):
            yield both
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def started(both: Stores, settings: Mapping[str, str]) -> Iterator[Stores]:
    """Two servers for the time of the block, with the newest tables; this process uses them, with these
    settings. Their data is gone afterwards.
    """
    try:
        both.postgres.start()
        both.valkey.start()
        migrate(both.environment)
        with process_settings(**both.environment, **settings):
            yield both
    finally:
        both.valkey.remove()
        both.postgres.remove()


@pytest.fixture(scope="session")
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Postgres and Valkey for the whole run."""
    with own_stores("weelo-test-") as both, ExitStack() as stack:
        if request.config.getoption("--pgbouncer"):
            through = stack.enter_context(pooler.before(both.postgres.url))
            stack.enter_context(process_settings(**through))
        yield both


@pytest.fixture
def redis_url(stores: Stores) -> str:
    """The Valkey of this run, emptied."""
    empty_redis()
    return stores.valkey.url


@pytest.fixture
def database_url(stores: Stores) -> str:
    """The Postgres of this run, its tables emptied."""
    empty_tables()
    return stores.postgres.url


@pytest.fixture
def clean(database_url: str, redis_url: str) -> None:
    """Both stores, emptied."""


@pytest.fixture(scope="session")
def other_urls(stores: Stores) -> dict[str, str]:
    """A second database on each server: the processes of a running system look into the first."""
    with db.statements() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("CREATE DATABASE aside")
        connection.exec_driver_sql("RESET statement_timeout")
    urls = {
        "DATABASE_URL": make_url(stores.postgres.url).set(database="aside").render_as_string(False),
        "REDIS_URL": stores.valkey.url.rpartition("/")[0] + "/9",
    }
    migrate(urls)
    return urls


@pytest.fixture
def aside(other_urls: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Both stores, emptied, and nobody at work in them; a test may say that one is elsewhere.

    What is said there counts after ``forget_configuration``.
    """
    with process_settings(**other_urls):
        empty_tables()
        live.commands().flushdb()
        yield monkeypatch
        monkeypatch.undo()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The long forms of the fault tests, and what renews the examples."""
    parser.addoption("--rounds", type=int, help="how often each race is run (long form: 500)")
    parser.addoption("--record-examples", action="store_true", help="renew the documents' examples")
    parser.addoption("--pgbouncer", action="store_true", help="lead this process through PgBouncer")
    parser.addoption("--repeat", type=int, default=1, help="how often each fault scenario is run (20)")
