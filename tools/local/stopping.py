"""Ctrl-C and its relatives, counted: the first asks for an orderly stop, the second for a quick one.

Handlers only count; the launcher looks at the count between its steps, so that nothing is ever
interrupted half-way.
"""

import os
import signal
from types import FrameType


class Stopping:
    """What has been asked of this process by signal since it began."""

    def __init__(self) -> None:
        self._asked = 0
        # A recipe of make is nobody's any more when make is gone.
        self._parent = os.getppid() if "MAKELEVEL" in os.environ else None
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` has reasons; a shell that starts us in the background without SIGINT has none.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._count)

    def _count(self, signum: int, frame: FrameType | None) -> None:
        self._asked += 1

    @property
    def asked(self) -> bool:
        return self._asked > 0 or (self._parent is not None and os.getppid() != self._parent)

    def hurried(self) -> bool:
        return self._asked > 1
