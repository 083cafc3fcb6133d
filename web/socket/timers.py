"""The sessions of this process, and one thread that does what is due: pings, mailboxes, ends of tokens.

A thread or a timer for each socket would cost more memory than the socket does.
"""

import math
import threading
import time
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count

import redis
import structlog

from models.live import mailbox
from web.socket.session import Session
from workers import failing

log = structlog.get_logger()

# How late anything due may be.
TICK_SECONDS = 0.1
# Mailboxes that are read in one round trip; more would block Redis for longer than a millisecond.
BATCH = 50


class Timers:
    """Holds the sessions; the thread is started by the first one."""

    def __init__(self) -> None:
        self._sessions: set[Session] = set()
        # By due time. An entry counts only while its session is scheduled for that very time.
        self._heap: list[tuple[float, int, Session]] = []
        self._numbers = count()
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def sessions(self) -> list[Session]:
        return list(self._sessions)

    def add(self, session: Session) -> None:
        self._sessions.add(session)
        session.schedule = self._schedule
        self._schedule(session)
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="timers", daemon=True)
                self._thread.start()

    def discard(self, session: Session) -> None:
        self._sessions.discard(session)
        session.schedule = None
        session.scheduled_for = math.inf

    def stop(self) -> None:
        """Ends the thread; a later socket starts it again."""
        with self._guard:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            thread.join()
            self._stopping.clear()

    def _schedule(self, session: Session) -> None:
        """To be called when ``session.due_at`` has changed; a later time shows when the earlier comes up."""
        with self._guard:
            if session.due_at < session.scheduled_for:
                session.scheduled_for = session.due_at
                heappush(self._heap, (session.due_at, next(self._numbers), session))

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self._tick(time.monotonic())
            # Nothing else would start this thread again.
            except Exception:
                log.exception("timers failed")

    def _tick(self, now: float) -> None:
        to_read = [session for session in self._due(now) if self._wants_read(session, now)]
        for start in range(0, len(to_read), BATCH):
            _read_mailboxes(to_read[start : start + BATCH])

    def _due(self, now: float) -> list[Session]:
        due = []
        with self._guard:
            while self._heap and self._heap[0][0] <= now:
                scheduled_for, _, session = heappop(self._heap)
                if scheduled_for == session.scheduled_for:
                    session.scheduled_for = math.inf
                    due.append(session)
        return due

    def _wants_read(self, session: Session, now: float) -> bool:
        try:
            return session.due_at <= now and session.tick(now)
        except Exception:
            log.exception("timers failed", person=session.person)
            return False
        finally:
            if session.schedule is not None:
                self._schedule(session)


def _read_mailboxes(sessions: Sequence[Session]) -> None:
    try:
        looks = mailbox.since_all([session.place for session in sessions])
    except redis.RedisError as error:
        if len(sessions) > 1 and not failing.store_away(error):
            # One mailbox is at fault; the others must still be read.
            for session in sessions:
                _read_mailboxes([session])
            return
        for session in sessions:
            session.storage_away(error)
        return
    for session, look in zip(sessions, looks, strict=True):
        try:
            session.looked(look)
        except Exception:
            log.exception("timers failed", person=session.person)


timers = Timers()
