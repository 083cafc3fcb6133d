"""Starts, stops and watches the city from code: one a checkout, in a process of its own.

Standard library only, and no threads and no event loop: a web process may use it. What it knows is in
files, so any process can stop what another has started, a terminal's `make demo` included.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / ".run"
LOOK_EVERY_S = 0.05
# A look at the lock holds it for a moment, which must not keep a city from beginning.
CLAIM_WITHIN_S = 1.0
STARTED_WITHIN_S = 20.0
# A process gives its lock up just before it has ended.
ENDED_WITHIN_S = 2.0


class AlreadyRunning(Exception):
    """There is one already; the text is one sentence."""


class NotStarted(Exception):
    """It ended before it began; the text is what it said."""


class Files:
    """What a city leaves in a folder while it runs."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self.directory = directory
        self.note = directory / "demo.json"
        self.lock = directory / "demo.lock"
        self.log = directory / "demo.log"
        self.crew = directory / "demo.crew"

    @contextmanager
    def taken(self) -> Iterator[int]:
        """Holds the lock of the folder; a process that inherits the descriptor keeps it.

        Raises ``AlreadyRunning``.
        """
        self.directory.mkdir(mode=0o700, exist_ok=True)
        with self.lock.open("a") as lock:
            until = time.monotonic() + CLAIM_WITHIN_S
            while not locked(lock.fileno(), fcntl.LOCK_EX):
                if time.monotonic() > until:
                    raise AlreadyRunning("A simulated city is running already; end that one first.")
                time.sleep(LOOK_EVERY_S)
            # That of a killed one names a process that is no more.
            self.note.unlink(missing_ok=True)
            yield lock.fileno()

    @contextmanager
    def claim(self, inherited: int | None = None) -> Iterator[None]:
        """Makes this process the city of the folder, with a lock of its own or the one it was started with.

        Raises ``AlreadyRunning``.
        """
        with self.taken() if inherited is None else nullcontext():
            try:
                yield
            finally:
                self.note.unlink(missing_ok=True)

    def begin(self, run: str) -> str:
        """Names the drivers: after this run, or after a killed one, whose drivers may still have trips."""
        if not self.crew.exists():
            self.crew.write_text(run)
        return self.crew.read_text()

    def finish(self) -> None:
        """The run has ended in order: no driver of it has a trip."""
        self.crew.unlink(missing_ok=True)

    @property
    def claimed(self) -> bool:
        """Whether a city is running, whatever the note of a killed one may say."""
        if not self.lock.exists():
            return False
        with self.lock.open() as lock:
            return not locked(lock.fileno(), fcntl.LOCK_SH)

    def write(self, note: dict[str, Any], pid: int) -> None:
        """Replaces the note of the running city, which is this process."""
        whole = self.note.with_suffix(f".{os.getpid()}")
        whole.write_text(json.dumps(note | {"pid": pid}))
        whole.replace(self.note)

    def read(self) -> dict[str, Any] | None:
        """The note of the running city, once it has written one."""
        try:
            note = dict(json.loads(self.note.read_text()))
        except (OSError, ValueError):
            return None
        return note if self.claimed else None


class Demo:
    """The simulated city of this checkout."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._files = Files(directory)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, url: str, within: float = STARTED_WITHIN_S, **options: int | float) -> None:
        """Starts it and returns when it runs, or after ``within`` seconds.

        ``options`` are seed, drivers, speed and minutes. Raises ``AlreadyRunning``
        or ``NotStarted`` with its own sentence.
        """
        if self._files.claimed:
            raise AlreadyRunning("A simulated city is running already.")
        # Between this and the first words of the new process nobody else can start one.
        with self._files.taken() as lock:
            process = self._process = self._begin(url, lock, options)
            self._files.write({"state": "starting", "url": url}, process.pid)
        until = time.monotonic() + within
        while self.status()["state"] in ("stopped", "starting") and time.monotonic() < until:
            if process.poll() is not None:
                raise NotStarted(self._files.log.read_text(errors="replace").strip())
            time.sleep(LOOK_EVERY_S)

    def _begin(self, url: str, lock: int, options: dict[str, int | float]) -> "subprocess.Popen[bytes]":
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        notes = str(self._files.directory.resolve())
        with self._files.log.open("wb") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tools.demo",
                    "--url",
                    url,
                    "--notes",
                    notes,
                    "--lock",
                    str(lock),
                    *words,
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock,),
            )

    def stop(self, within: float = 60.0) -> bool:
        """Asks it to end and waits for that; whether it has ended within ``within`` seconds."""
        if note := self._files.read():
            _send(note["pid"], signal.SIGTERM)
        until = time.monotonic() + within
        while self._files.claimed and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
        self._reap()
        return self.status() == {"state": "stopped"}

    def kill(self) -> None:
        """Ends it at once, with everything that it would have said goodbye to."""
        if note := self._files.read():
            _send(note["pid"], signal.SIGKILL)
        self._reap()

    def _reap(self) -> None:
        """Waits for the end of the process that was started here, if one was."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDED_WITHIN_S)

    def status(self) -> dict[str, Any]:
        """``{"state": "stopped"}``, or its state (starting, running, stopping) and whom it asks (``url``).

        From its own first words on also its clock, drivers and counts.
        """
        if self._process:
            # One that has ended is not to stay a zombie of ours.
            self._process.poll()
        return self._files.read() or {"state": "stopped"}


def locked(file: int, how: int) -> bool:
    """Tries to lock an open file (``how``: shared or exclusive); whether it could."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _send(pid: int, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signum)
