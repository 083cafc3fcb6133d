"""The counters that the processes of one web server share: files of prometheus-client, a set for each slot.

A new worker continues the files of the worker that had its slot before, so counters never fall.
"""

import os
import shutil
import tempfile
from pathlib import Path

# prometheus-client reads it, and counts for its process alone where it is not set.
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
# Memory, where the system has it as a folder: on a disk that is full a counter would end its process.
MEMORY = "/dev/shm"  # noqa: S108

# With the process id of the server's master.
PREFIX = "weelo-counts-"

# Whose files this process writes.
slot = str(os.getpid())


def make_directory() -> None:
    """Called when the server starts. Removes what killed servers have left."""
    where = Path(MEMORY if os.access(MEMORY, os.W_OK) else tempfile.gettempdir())
    for left in where.glob(f"{PREFIX}*"):
        if not _is_in_use(left.name):
            shutil.rmtree(left, ignore_errors=True)
    os.environ[DIRECTORY] = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=where)


def _is_in_use(name: str) -> bool:
    """Whether the server whose process id is in this name is another one that is alive."""
    owner = name.removeprefix(PREFIX).partition("-")[0]
    if not owner.isdecimal() or int(owner) == os.getpid():
        return False
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Another account's.
        pass
    return True


def directory() -> str | None:
    """Where this server's processes count; ``None`` for a process without others."""
    return os.environ.get(DIRECTORY)


def remove_directory() -> None:
    """Called when the server has stopped."""
    if made := os.environ.pop(DIRECTORY, None):
        shutil.rmtree(made, ignore_errors=True)


def take_slot(number: int | None) -> None:
    """Called when a worker starts; with ``None``, no slot was free, it counts in files of its own."""
    global slot
    slot = str(os.getpid() if number is None else number)
