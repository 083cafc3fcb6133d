"""The note that a running system leaves in `.run/`, so that other commands find it.

Usage: python -m tools.local.running [COMMAND ...]: runs the command with the settings of the running
system in its environment; without a command, prints the note.
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.local import env_file, surroundings

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / ".run"
NOTE = DIRECTORY / "running.json"
LOCK = DIRECTORY / "lock"
LOGS = DIRECTORY / "logs"


class Busy(Exception):
    """Another `make run` of this checkout has not ended; `pid` is its launcher's."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid


@contextmanager
def claim() -> Iterator[int]:
    """Makes this the only launcher of the checkout; yields the file descriptor of the lock.

    Raises Busy. Who inherits the descriptor keeps the claim up after this process has died.
    """
    DIRECTORY.mkdir(mode=0o700, exist_ok=True)
    with LOCK.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Busy(int(lock.read().strip() or 0)) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield lock.fileno()
        NOTE.unlink(missing_ok=True)


def write(note: dict[str, Any]) -> None:
    """Replaces the note. It holds passwords, so nobody else may read it."""
    whole = NOTE.with_suffix(".new")
    whole.touch(mode=0o600)
    whole.write_text(json.dumps(note, indent=2) + "\n")
    whole.replace(NOTE)


def read() -> dict[str, Any] | None:
    """The note of the running system; None if nothing runs."""
    try:
        note = json.loads(NOTE.read_text())
        os.kill(note["pid"], 0)
    except (OSError, ValueError):
        return None
    return dict(note)


def main(command: list[str]) -> None:
    note = read()
    settings = note["environment"] if note else {}
    if not command:
        print(json.dumps(note, indent=2) if note else "nothing is running")
        return
    env_file.read()
    own_postgres = note is not None and "postgres" in note["pids"]
    theirs = surroundings.for_processes(os.environ, own_postgres)
    os.execvpe(command[0], command, theirs | settings)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
