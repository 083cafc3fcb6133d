"""Where the processes of one web server count together: files of prometheus-client, some for each slot.

A new worker goes on in the files of the one before it in its slot, so counters never fall.
"""

import os
import shutil
import tempfile
from pathlib import Path

# prometheus-client reads it, and counts for its process alone where it is not set.
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
# Memory, where the system has it as a folder: on a disk that is full a counter would end its process.
MEMORY = "/dev/shm"  # noqa: S108

# Whose files this process writes.
slot = str(os.getpid())


def make_directory(port: int) -> None:
    """For a server that starts. What one on this port has left that was killed is removed."""
    where = MEMORY if os.access(MEMORY, os.W_OK) else tempfile.gettempdir()
    prefix = f"weelo-counts-{port}-"
    for left in Path(where).glob(prefix + "*"):
        shutil.rmtree(left, ignore_errors=True)
    os.environ[DIRECTORY] = tempfile.mkdtemp(prefix=prefix, dir=where)


def directory() -> str | None:
    """Where this server's processes count; ``None`` for a process without others."""
    return os.environ.get(DIRECTORY)


def remove_directory() -> None:
    """For a server that has stopped."""
    if made := os.environ.pop(DIRECTORY, None):
        shutil.rmtree(made, ignore_errors=True)


def take_slot(number: int | None) -> None:
    """For a worker that starts; ``None`` for one that found no slot free, which then counts apart."""
    global slot
    slot = str(os.getpid() if number is None else number)
