"""The system under test: the processes of the Procfile over stores of their own, set up as in production."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT, forget_configuration
from tests.faults.fleet import Fleet
from tools.bench.cpu import Kinds
from tools.local import ports
from tools.local.stores import Postgres, Valkey

# As the Procfile lists them; `web` is a gunicorn with two processes.
NAMES = ("web", "orders", "sweeps", "beat", "flower")
WEB_PROCESSES = 2


class Site(Fleet):
    """Started by :meth:`begin`, ended by :meth:`stop`. ``secret`` signs the tokens.

    ``without`` leaves processes of the Procfile out (``flower`` for a machine without a look into queues);
    ``root`` is the tree that runs.
    """

    def __init__(
        self, directory: Path, ttl_seconds: int, without: tuple[str, ...] = (), root: Path = ROOT
    ) -> None:
        self.secret = secrets.token_urlsafe(32)
        super().__init__(
            root,
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

    def python(self, *arguments: str) -> str:
        """The output of a Python program of ours in the environment of the system."""
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout


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
