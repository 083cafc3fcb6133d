"""How frames go out on one socket: in turn, by one thread at a time, and nobody waits for a slow peer.

Whoever has work for a socket does it at once as far as nothing has to be waited for, neither a store
nor the peer. The rest is done by a writer (`web.writers`), and what comes meanwhile waits in turn. So
an idle socket has no thread but its reader's.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import structlog

from web import writers
from web.connection import WebSocket

log = structlog.get_logger()

Work = TypeVar("Work")

# How long a peer may take to answer our close frame.
CLOSE_SECONDS = 1.0
# More than anybody has open offers; who lets this many wait does not read.
MAX_QUEUED = 1500
# So many frames leave together at most: the time a peer has to read them is for each packet.
PACKET = 50

NORMAL = (1000, "")
SLOW = (1008, "reads too slowly")
FAILED = (1011, "something went wrong on our side")

# Guards the queue and the turn of every socket, for a moment only.
_guard = threading.Lock()


class Outgoing(ABC, Generic[Work]):
    """What is to be done for one socket; everything may be called from anywhere."""

    __slots__ = (
        *("person", "due_at", "turn", "plan"),
        *("_socket", "_work", "_texts", "_writing", "_left", "_ending", "_finished"),
    )

    def __init__(self, socket: WebSocket, person: str) -> None:
        self.person = person
        self._socket = socket
        # Lists, because an empty deque has ten times their size.
        self._work: list[Work] = []
        # What goes out next: frames that come together leave in one packet.
        self._texts: list[str] = []
        # Whether it is somebody's turn, and who waits for the end of it.
        self._writing = False
        self._left: threading.Event | None = None
        self._ending: tuple[int, str] | None = None
        self._finished = False
        # When `web.ticker` has something to do; its turn for that, 0 for none; and who tells it of a change.
        self.due_at = float("inf")
        self.turn = 0
        self.plan: Callable[[Any], None] | None = None

    @abstractmethod
    def _do(self, work: Work) -> None:
        """One piece of work; texts that it wants sent go into ``_texts``."""

    @abstractmethod
    def _must_wait(self, work: Work) -> bool:
        """Whether it asks a store, so that only a writer may do it."""

    @property
    def closing(self) -> bool:
        return self._ending is not None

    def close(self, code: int, reason: str) -> None:
        """Closes the socket as soon as the frame being sent is out; the first reason counts."""
        if self._ending is None:
            self._ending = (code, reason)
            self._submit()

    def cut(self) -> None:
        """Ends the connection at once, even while a frame is stuck in it."""
        self._socket.cut()

    def end(self) -> None:
        """Closes, if nobody has, and returns when nothing is sent any more; to be called by the reader."""
        self.close(*NORMAL)
        with _guard:
            left = self._left = threading.Event() if self._writing else None
        if left is not None and not left.wait(CLOSE_SECONDS):
            self.cut()
            left.wait()
        self.cut()

    def _submit(self, *work: Work) -> None:
        if self._finished:
            return
        with _guard:
            slow = len(self._work) + len(work) > MAX_QUEUED
            if not slow:
                self._work += work
            first, self._writing = not self._writing, True
        if slow and self._ending is None:
            log.info("slow reader dropped", person=self.person)
            self._ending = SLOW
        if slow:
            self.cut()
        if first:
            self._take_turn()

    def _take_turn(self, may_wait: bool = False) -> None:
        while self._run(may_wait):
            with _guard:
                self._writing = bool(self._work) or (self._ending is not None and not self._finished)
                if not self._writing:
                    break
        else:
            writers.start(self._write)
            return
        if self._left is not None:
            self._left.set()

    def _write(self) -> None:
        self._take_turn(may_wait=True)

    def _run(self, may_wait: bool) -> bool:
        """Does what there is to do; False if the next thing is one to wait for."""
        try:
            if self._ending is None and not self._go_on(may_wait):
                return False
        except OSError as error:
            log.info("socket gone", person=self.person, error=str(error))
            self._ending = self._ending or NORMAL
            self.cut()
        except Exception:
            log.exception("socket failed", person=self.person)
            self._ending = FAILED
        return self._ending is None or self._say_goodbye(may_wait)

    def _go_on(self, may_wait: bool) -> bool:
        while self._ending is None:
            if self._socket.unsent:
                if not may_wait:
                    return False
                self._socket.finish()
            elif len(self._texts) < PACKET and self._can_work(may_wait):
                self._do(self._work.pop(0))
            elif self._texts:
                packet, self._texts = self._texts[:PACKET], self._texts[PACKET:]
                self._socket.send(packet)
            else:
                return not self._work
        return True

    def _can_work(self, may_wait: bool) -> bool:
        return bool(self._work) and (may_wait or not self._must_wait(self._work[0]))

    def _say_goodbye(self, may_wait: bool) -> bool:
        self._work, self._texts = [], []
        with suppress(OSError):
            self._socket.close(*(self._ending or NORMAL))
            if self._socket.unsent:
                if not may_wait:
                    return False
                self._socket.finish()
        self._finished = True
        self._be_due(time.monotonic() + CLOSE_SECONDS)
        return True

    def _be_due(self, moment: float) -> None:
        self.due_at = moment
        if plan := self.plan:
            plan(self)
