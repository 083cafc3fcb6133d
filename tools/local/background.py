"""Lets what a server forks have only what nobody else wants of the cores.

Valkey forks a child that rewrites its file. The child takes a core for up to a second, no setting lowers
its priority, and nobody waits for it.
"""

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path

# Until it is seen a child takes a core like everybody else. Twenty looks a second cost 2 ms.
LOOK_SECONDS = 0.05
LISTING_BYTES = 4096


def children_of(pid: int) -> Path:
    """Where Linux lists the ids of the children that the first thread of a process has forked."""
    return Path(f"/proc/{pid}/task/{pid}/children")


def keep(process: "subprocess.Popen[bytes]") -> None:
    """From now on the children that ``process`` forks run in the background, for as long as it lives.

    Where the kernel does not tell of them or has no such priority (macOS) they run as they do by themselves.
    """
    if hasattr(os, "SCHED_IDLE"):
        threading.Thread(target=_watch, args=(process,), daemon=True).start()


def _watch(process: "subprocess.Popen[bytes]") -> None:
    known: set[bytes] = set()
    # There is no listing where the kernel keeps none, and none any more if the process has ended already.
    with contextlib.suppress(FileNotFoundError), children_of(process.pid).open("rb") as listing:
        while process.poll() is None:
            # One that has ended meanwhile needs nothing.
            with contextlib.suppress(OSError):
                found = set(os.pread(listing.fileno(), LISTING_BYTES, 0).split())
                for child in found - known:
                    os.sched_setscheduler(int(child), os.SCHED_IDLE, os.sched_param(0))
                known = found
            time.sleep(LOOK_SECONDS)
