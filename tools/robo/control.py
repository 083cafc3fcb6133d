"""Starts and ends the robo drivers of orders, from a web process and from the launcher.

Standard library only, and no threads and no event loop: a web process may use it. Each crew has a process
and a file in `.run/robo`, which it keeps locked while it lives; the file holds its process id.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tools.demo.control import locked

ROOT = Path(__file__).resolve().parents[2]
# A crew is a process of some 45 MB, for at most the time of its order's search.
MOST_CREWS = 12
# Each truck has its driver.
MOST_DRIVERS = 10
NAMES = "robo-"
# On a machine with much other work; usually it is a second.
READY_WITHIN_S = 30.0
LOOK_EVERY_S = 0.05
# What a crew says once its drivers can be asked.
ON_DUTY = "on duty"


class NotOnDuty(Exception):
    """There is no crew for this order; the text says why."""


class Crew:
    """The robo drivers of one order, in a process of their own. They leave unless they get an order."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process, self._log = process, log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def tell(self, line: str) -> None:
        """One line to its process; one that has ended hears nothing."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()

    def until_on_duty(self) -> None:
        """Raises ``NotOnDuty``."""
        until = time.monotonic() + READY_WITHIN_S
        while ON_DUTY not in (said := self._log.read_text(errors="replace")):
            if self._process.poll() is not None or time.monotonic() > until:
                [reason] = said.strip().splitlines()[-1:] or ["too slow"]
                raise NotOnDuty(f"The robo drivers did not come on duty: {reason}")
            time.sleep(LOOK_EVERY_S)


class Robots:
    """All crews of a checkout."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "robo"

    def hire(self, task: Mapping[str, Any]) -> Crew:
        """A crew that is on duty (`tools.robo.__main__` says what a task is). Raises ``NotOnDuty``."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(MOST_CREWS):
            if crew := self._begin(self._directory / f"{number}.pid"):
                crew.tell(json.dumps(task))
                try:
                    crew.until_on_duty()
                except NotOnDuty:
                    crew.__exit__()
                    raise
                return crew
        raise NotOnDuty(f"{MOST_CREWS} orders have robo drivers now; wait until one of them ends.")

    def _begin(self, place: Path) -> Crew | None:
        """A crew in this place, unless another one has it."""
        log = place.with_suffix(".log")
        with place.open("a+") as file:
            if not locked(file.fileno(), fcntl.LOCK_EX):
                return None
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tools.robo"],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    # The lock lives as long as the process that has inherited it.
                    pass_fds=(file.fileno(),),
                )
            file.truncate(0)
            file.write(str(process.pid))
        return Crew(process, log)

    def stop(self, within: float) -> None:
        """Sends all drivers home; a crew that has not gone after ``within`` seconds is killed."""
        self._send(signal.SIGTERM)
        until = time.monotonic() + within
        while self.pids() and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
        self._send(signal.SIGKILL)

    def pids(self) -> list[int]:
        """The processes of the crews."""
        return [pid for place in self._directory.glob("*.pid") if (pid := _owner(place))]

    def _send(self, signum: int) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signum)


def _owner(place: Path) -> int | None:
    """The process that has locked this file; ``None`` for what an ended one has left."""
    with place.open() as file:
        if locked(file.fileno(), fcntl.LOCK_SH):
            return None
        return int(file.read() or 0) or None
