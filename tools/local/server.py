"""One server over one directory, as a plain child process: the part that Postgres and Valkey share.

A lock that the server itself inherits says whether its data is in use, so that neither a recycled
process id nor a stale pid file can deceive anyone.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tools.local import leash, ports, surroundings, unprivileged
from tools.local.unprivileged import Account

# Recovery after a kill -9 reads the whole journal; a large one takes a while on a slow disk.
READY_WITHIN = 60.0
# What a killed server has forked notices the death of its parent within a moment.
LOCK_WITHIN = 10.0
# Somebody may take a free port between our look and the server's bind.
PORT_ATTEMPTS = 3
PORT_TAKEN = ("could not bind", "could not create any TCP/IP sockets", "Address already in use")
# The log of a server says little; one that grew is of no use any more.
LOG_LIMIT = 5_000_000


class StoreError(Exception):
    """A server that does not start; the message is a sentence for the user of the command."""


class AlreadyRunning(StoreError):
    """The data is in use by a server that another process has started."""


class Server(ABC):
    """One server over one directory; the object may be started again after a stop or a kill.

    `settings` go over the server's own defaults given below, by the server's own names.
    """

    name: str
    # How this server is asked to end without losing anything and without waiting for clients.
    farewell: signal.Signals
    farewell_seconds: float
    # What it finds in its environment besides a path and a locale.
    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory.absolute()
        self.settings = dict(settings or {})
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        # Asked while a start waits; the start is given up if it says so.
        self.stopping: Callable[[], bool] = lambda: False

    @property
    @abstractmethod
    def url(self) -> str:
        """The address of the running server, with its password."""

    @abstractmethod
    def _prepare(self) -> None:
        """Makes the data directory ready; runs under the lock."""

    @abstractmethod
    def _command(self) -> tuple[Sequence[str | Path], Path, Account | None]:
        """Program and arguments, working directory, and whose process it is."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server takes commands."""

    @property
    def pid(self) -> int | None:
        """The process id of the server, None while it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    def start(self) -> str:
        """Starts the server, on the port it had before if that is free; returns its URL.

        Raises StoreError (also when the data is in use by another server) and binaries.Missing.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._take_lock()
        try:
            self._prepare()
            self._launch_on_a_free_port(lock)
        finally:
            os.close(lock)
        return self.url

    def stop(self) -> None:
        """Ends the server in order, within 2 s; a server that does not run is fine.

        One that takes longer is cut short: what was committed is in its journal by then.
        """
        if self._process is None:
            return
        for signum, patience in ((self.farewell, self.farewell_seconds), (signal.SIGQUIT, 0.5)):
            self.kill(signal.SIGCONT)
            self.kill(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
                break
        self.kill()

    def kill(self, signum: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to the server; returns after its end if the signal was SIGKILL."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signum)
        if signum == signal.SIGKILL:
            self._process.wait()
            leash.release(self._process.pid)
            self._process = None

    def remove(self) -> None:
        """Kills the server and deletes all its data."""
        self.kill()
        unprivileged.remove(self.directory)

    def _take_lock(self) -> int:
        """The lock on the data, which the server inherits and all its children with it."""
        lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + LOCK_WITHIN
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = self._recorded("pid")
                if _alive(holder) or time.monotonic() > deadline:
                    os.close(lock)
                    raise AlreadyRunning(f"{self.name} is already running here, pid {holder}.") from None
                time.sleep(0.02)
            else:
                return lock

    def _launch_on_a_free_port(self, lock: int) -> None:
        for _ in range(PORT_ATTEMPTS):
            self.port = ports.free(self.port or self._recorded("port"))
            self._launch(lock)
            try:
                ready = self._becomes_ready()
            except StoreError:
                self.kill()
                raise
            if ready:
                self._record("port", self.port)
                return
            self.kill()
            if not any(words in self._log_tail() for words in PORT_TAKEN):
                break
            self.port = 0
        raise StoreError(f"{self.name} did not start; the end of {self.log}:\n{self._log_tail()}")

    def _launch(self, lock: int) -> None:
        command, where, who = self._command()
        big = self.log.exists() and self.log.stat().st_size > LOG_LIMIT
        with self.log.open("wb" if big else "ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                command,
                cwd=where,
                env={**surroundings.for_servers(), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
                **(who.identity if who else {}),
            )
        leash.hold(self._process.pid, self.farewell)
        self._record("pid", self._process.pid)

    def _becomes_ready(self) -> bool:
        deadline = time.monotonic() + READY_WITHIN
        while self.pid and time.monotonic() < deadline:
            if self.stopping():
                raise StoreError(f"{self.name} was not waited for any longer.")
            if self._answers():
                return True
            time.sleep(0.02)
        return False

    def _log_tail(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-8:])

    def _record(self, name: str, value: int) -> None:
        (self.directory / name).write_text(f"{value}\n")

    def _recorded(self, name: str) -> int:
        try:
            return int((self.directory / name).read_text())
        except (OSError, ValueError):
            return 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
