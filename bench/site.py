"""The system under test: the processes of the Procfile over stores of their own, set up as in production."""

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from bench.cpu import Kinds
from bench.queues import QUEUES
from local import ports
from local.stores import Postgres, Valkey
from tests.conftest import ROOT, forget_configuration
from tests.faults.fleet import START_SECONDS, Fleet

# As the Procfile lists them; `web` is a gunicorn with two processes.
NAMES = ("web", "orders", "sweeps", "beat", "flower")
WEB_PROCESSES = 2
ANOTHER_PROCESS_SECONDS = 1.0


class Site(Fleet):
    """Started by :meth:`begin`, ended by :meth:`stop`. ``secret`` signs the tokens.

    ``without`` leaves processes of the Procfile out (``flower`` for a machine without a look into queues).
    """

    def __init__(self, directory: Path, ttl_seconds: int, without: tuple[str, ...] = ()) -> None:
        self.secret = secrets.token_urlsafe(32)
        super().__init__(
            ROOT,
            directory,
            APP_ENV="production",
            HOST=ports.LOOPBACK,
            JWT_SECRET=self.secret,
            FLOWER_BASIC_AUTH=f"bench:{secrets.token_urlsafe(16)}",
            FLOWER_PORT=str(ports.free()),
            WEB_CONCURRENCY=str(WEB_PROCESSES),
            ORDER_TTL_SECONDS=str(ttl_seconds),
            # What the product has by default; the fleet of the fault tests switches it off.
            ORDERS_PER_MINUTE="5",
        )
        # Commits reach the disk and the append-only file is written, as `make run` has it.
        self.postgres = Postgres(directory / "postgres", {"track_commit_timestamp": "off"})
        self.valkey = Valkey(directory / "valkey")
        self.names = tuple(name for name in NAMES if name not in without)
        self._commands["empty"] = tuple(
            "bench.empty:create_app()" if word == "web:create_app()" else word
            for word in self._commands["web"]
        )
        for name, queue in QUEUES.items():
            words = {"tasks": f"bench.empty_task:{name}", "orders": queue, "orders@%h": f"{queue}@%h"}
            self._commands[queue] = tuple(words.get(word, word) for word in self._commands["orders"])

    def begin(self) -> None:
        """Starts everything and returns when it is ready."""
        self.start(self.names)

    @property
    def kinds(self) -> Kinds:
        """The heads of the processes by kind."""
        assert self.postgres.pid
        assert self.valkey.pid
        kinds = {
            "web": [self.processes["web"].pid],
            "worker": [self.processes[name].pid for name in ("orders", "sweeps", "beat")],
            "postgres": [self.postgres.pid],
            "redis": [self.valkey.pid],
        }
        return kinds | ({"flower": [self.processes["flower"].pid]} if "flower" in self.processes else {})

    @property
    def web_port(self) -> int:
        return self.port("web")

    @contextmanager
    def empty_web(self) -> Iterator[tuple[int, int]]:
        """Another gunicorn of the same kind whose application does nothing; its port and its head."""
        port = ports.free()
        self.launch("empty", PORT=str(port))
        try:
            self._wait_until_up(port)
            # The first process answers; another that is not there yet would leave all connections to it.
            time.sleep(ANOTHER_PROCESS_SECONDS)
            yield port, self.processes["empty"].pid
        finally:
            self._end("empty")

    @contextmanager
    def empty_worker(self, queue: str) -> Iterator[int]:
        """A worker like `orders`, for tasks that do nothing; the id of its head."""
        self.launch(queue)
        try:
            self.settle(queue)
            yield self.processes[queue].pid
        finally:
            self._end(queue)

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """Another database with the same tables on the same server; its address."""
        self._administer(f"CREATE DATABASE {name}")
        url = self.postgres.url_of(name)
        try:
            self.python(
                "-m", "alembic", "-c", "models/migrations/alembic.ini", "upgrade", "head", database=url
            )
            yield url
        finally:
            self._administer(f"DROP DATABASE {name}")

    def _administer(self, statement: str) -> None:
        connection = psycopg2.connect(self.postgres.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def python(self, *arguments: str, database: str = "") -> str:
        """The output of a Python program of ours in the environment of the system, or on another database."""
        command = [sys.executable, *arguments]
        environment = self.environment | ({"DATABASE_URL": database} if database else {})
        done = subprocess.run(
            command, cwd=self.root, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def _wait_until_up(self, port: int) -> None:
        if not asyncio.run(self.wait_until(port, "/health", START_SECONDS)):
            raise AssertionError(f"the empty server did not start; see {self.directory}")

    def _end(self, name: str) -> None:
        """Ends a process that was started beside the others."""
        self.kill(name)
        del self.processes[name]


@contextmanager
def pointed_at(site: Site, redis_database: int) -> Iterator[None]:
    """Has the product's own modules in this process work on the stores of the site, and on a database of
    its Redis where nobody sweeps.
    """
    before = dict(os.environ)
    redis_url = f"{site.valkey.url.rpartition('/')[0]}/{redis_database}"
    os.environ.update(site.environment | {"REDIS_URL": redis_url})
    forget_configuration()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        forget_configuration()
