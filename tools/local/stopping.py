"""Ctrl-C and its relatives, counted: the first asks for an orderly stop, the second for a quick one.

Handlers only count; the launcher looks at the count between its steps, so that nothing is ever
interrupted half-way.
"""

import os
import re
import signal
from pathlib import Path
from types import FrameType


class Stopping:
    """What has been asked of this process by signal since it began."""

    def __init__(self) -> None:
        self._asked = 0
        # A recipe of make is nobody's any more when make is gone.
        self._parent = os.getppid() if "MAKELEVEL" in os.environ else None
        self._make_waits = self._parent is not None and catches_interrupts(self._parent)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` has reasons; a shell that starts us in the background without SIGINT has none.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._count)

    def _count(self, signum: int, frame: FrameType | None) -> None:
        self._asked += 1

    @property
    def asked(self) -> bool:
        return self._asked > 0 or (self._parent is not None and self._make_ends(self._parent))

    def _make_ends(self, make: int) -> bool:
        """A SIGINT to make alone reaches nobody else: make takes its handler away and waits for us."""
        return os.getppid() != make or (self._make_waits and not catches_interrupts(make))

    def hurried(self) -> bool:
        return self._asked > 1


def catches_interrupts(pid: int) -> bool:
    """Whether that process has a handler for SIGINT now; False where the system has no such list (macOS)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGINT - 1) & 1)
