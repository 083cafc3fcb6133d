"""Ends what this process has started if this process itself is killed.

A small process of its own waits at the end of a pipe. When the pipe closes without a farewell, its
other end is dead: whatever was still held then gets its signal, and soon after that SIGKILL.
Unlike PR_SET_PDEATHSIG this also reaches the children of the children, and works outside Linux.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

# All of it together.
END_WITHIN = 9.0
# One process; the longest honest farewell is a checkpoint of Postgres.
ONE_WITHIN = 2.5

_leash: "subprocess.Popen[str] | None" = None


def _start(keep: tuple[int, ...]) -> "subprocess.Popen[str]":
    # Not its own session only: the directory, the output and the signals of the holder are none
    # of its business either, so that it outlives them.
    return subprocess.Popen(
        [sys.executable, "-I", "-S", os.path.abspath(__file__)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd="/",
        start_new_session=True,
        pass_fds=keep,
    )


def begin(keep: tuple[int, ...] = ()) -> None:
    """Starts the leash of this process; it keeps the file descriptors `keep` (locks) open to its end."""
    global _leash
    if _leash is None:
        _leash = _start(keep)
        atexit.register(_let_go, _leash)


def _let_go(leash: "subprocess.Popen[str]") -> None:
    """At an ordinary end: waits until whatever is still held has ended, and the leash itself."""
    assert leash.stdin is not None
    with contextlib.suppress(OSError):
        leash.stdin.close()
    leash.wait()


def _tell(line: str) -> None:
    begin()
    assert _leash is not None
    assert _leash.stdin is not None
    # A leash that was killed is a lost precaution, not a reason to fail.
    with contextlib.suppress(OSError):
        _leash.stdin.write(line)
        _leash.stdin.flush()


def hold(pid: int, signum: int) -> None:
    """Ends `pid`, the head of its group, with `signum` if we die first; the last held goes first."""
    _tell(f"hold {pid} {int(signum)}\n")


def release(pid: int) -> None:
    """`pid` has ended, and its group with it."""
    _tell(f"release {pid} 0\n")


def _ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # Nobody may be there to reap it: a container's first process often does not.
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except ProcessLookupError:
        return True
    except OSError:
        return False


def _send(group: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)


def _end(held: dict[int, int]) -> None:
    deadline = time.monotonic() + END_WITHIN
    for pid, farewell in reversed(held.items()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, farewell)
        patience = min(deadline, time.monotonic() + ONE_WITHIN)
        while not _ended(pid) and time.monotonic() < patience:
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _wait() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    held: dict[int, int] = {}
    for line in sys.stdin:
        verb, pid, farewell = line.split()
        if verb == "hold":
            held[int(pid)] = int(farewell)
        else:
            held.pop(int(pid), None)
    _end(held)


if __name__ == "__main__":
    _wait()
