"""Keeps the processes of the Procfile running, and ends them in an order that loses nothing.

honcho reads the Procfile and prints; its manager ends everything when one process dies, and all of it at
once, so starting and ending are done here. Each process has a session of its own, so that Ctrl-C reaches
only the launcher.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from models.settings import WRONG_SETTING
from tools.local import leash
from tools.local.output import Output

# A crash now and then costs half a second; one that repeats does not fill the screen.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# A process that has lasted this long is taken for healthy again.
HEALTHY_AFTER = 30.0
# After this many exits in a row before anything was ready, another start would not help.
HOPELESS_AFTER = 5
# The others do without them.
DISPENSABLE = ("flower",)

# Web and beat first, so that no new work comes in; then the others. A worker takes 1.8 to
# 2.7 s, of which Celery sleeps 1.5. The seconds, added up, leave room for the stores within the ten of a
# stop.
STOP_FIRST = ("web", "beat")
STOP_FIRST_WITHIN = 3.0
STOP_OTHERS_WITHIN = 3.0
POLL = 0.02


class Process:
    """One line of the Procfile, over all its restarts."""

    def __init__(
        self, name: str, command: tuple[str, ...], environment: Mapping[str, str], where: Path, output: Output
    ) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._where = where
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._relay: threading.Thread | None = None
        self._started = 0.0
        self._pause = FIRST_PAUSE
        self._restart_at = 0.0
        self.failures = 0
        # Its settings are wrong: it would end in the same way again.
        self.given_up = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            cwd=self._where,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        leash.hold(self._process.pid, signal.SIGTERM)
        self._started = time.monotonic()
        assert self._process.stdout is not None
        self._relay = self._output.relay(self.name, self._process.stdout)

    def tend(self, now: float) -> None:
        """Starts the process again some time after it has ended by itself."""
        if self._process is None:
            if now >= self._restart_at and not self.given_up:
                self.start()
        elif self._process.poll() is not None:
            self._mourn(now, self._process.returncode)

    def _mourn(self, now: float, status: int) -> None:
        self.kill()
        if now - self._started > HEALTHY_AFTER:
            self._pause = FIRST_PAUSE
            self.failures = 0
        self.failures += 1
        if status == WRONG_SETTING:
            self.given_up = True
            self._output.say(f"{self.name} ended over a setting, named above; it is not started again")
            return
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        self._output.say(f"{self.name} ended ({how}); starting it again in {self._pause:g} s")
        self._restart_at = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def ask(self) -> None:
        """Asks the process to finish; only the group's first process, which stops its children itself."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """Ends the process and whatever it has left behind."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        leash.release(self._process.pid)
        self._process = None
        if self._relay:
            self._relay.join(1.0)


class Supervisor:
    """All processes of the Procfile together."""

    def __init__(self, processes: list[Process], output: Output) -> None:
        self._processes = processes
        self._output = output
        # Once everything has been ready, whatever fails is started again for as long as it takes.
        self.patient = False

    @property
    def hopeless(self) -> str:
        """The name of a process that is not going to run and that the others need; empty if there is none."""
        for process in self._processes:
            tried = process.given_up or (not self.patient and process.failures >= HOPELESS_AFTER)
            if tried and process.name not in DISPENSABLE:
                return process.name
        return ""

    @property
    def pids(self) -> dict[str, int | None]:
        return {process.name: process.pid for process in self._processes}

    def start(self) -> None:
        for process in self._processes:
            process.start()

    def tend(self) -> None:
        """Restarts what has crashed; call it a few times a second."""
        now = time.monotonic()
        for process in self._processes:
            process.tend(now)

    def kill(self) -> None:
        """Ends every process at once; `tend` starts them again."""
        for process in self._processes:
            process.kill()

    def stop(self, hurried: Callable[[], bool]) -> None:
        """Ends everything in order within 6 s, at once when `hurried()` turns true."""
        first = [process for process in self._processes if process.name in STOP_FIRST]
        others = [process for process in self._processes if process.name not in STOP_FIRST]
        self._stop(first, STOP_FIRST_WITHIN, hurried)
        self._stop(others, STOP_OTHERS_WITHIN, hurried)

    def _stop(self, group: list[Process], seconds: float, hurried: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        for process in group:
            process.ask()
        while not all(process.ended for process in group) and time.monotonic() < deadline and not hurried():
            time.sleep(POLL)
        for process in group:
            if not process.ended:
                self._output.say(f"{process.name} did not finish in time; killed")
            process.kill()
