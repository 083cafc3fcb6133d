"""The sockets of this process, and one thread that does for each what is due: pings, looks into the
mailbox, the end of its token.

A thread or a timer for each socket would cost more memory than the socket does.
"""

import math
import threading
import time
from collections.abc import Sequence

import redis
import structlog

from models.live import mailbox
from web.session import Session
from workers import failing

log = structlog.get_logger()

# How late anything due may be.
TICK_SECONDS = 0.1
# Mailboxes that are read in one round trip; more would hold Redis up for longer than a millisecond.
TOGETHER = 50


class Ticker:
    """Holds the sockets; the thread is started by the first one."""

    def __init__(self) -> None:
        self._sessions: set[Session] = set()
        # By turn of a tick, those who are due in it. Looking at all of them ten times a second costs more
        # than what is due, since each of thousands has to come into the processor's cache.
        self._turns: dict[int, set[Session]] = {}
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def sessions(self) -> list[Session]:
        return list(self._sessions)

    def add(self, session: Session) -> None:
        self._sessions.add(session)
        session.plan = self._plan
        self._plan(session)
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
                self._thread.start()

    def discard(self, session: Session) -> None:
        session.plan = None
        self._sessions.discard(session)
        with self._guard:
            self._forget(session)

    def _plan(self, session: Session) -> None:
        """Has the session looked at from the turn on in which it is due, if it is not to be before."""
        if session.due_at == math.inf:
            return
        turn = int(session.due_at / TICK_SECONDS) + 1
        with self._guard:
            if session.turn and session.turn <= turn:
                return
            self._forget(session)
            session.turn = turn
            self._turns.setdefault(turn, set()).add(session)

    def _forget(self, session: Session) -> None:
        self._turns.get(session.turn, set()).discard(session)
        session.turn = 0

    def stop(self) -> None:
        """Ends the thread; a later socket starts it again."""
        with self._guard:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            thread.join()
            self._stopping.clear()

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self._tick(time.monotonic())
            # Nobody else would start this thread again.
            except Exception:
                log.exception("ticker failed")

    def _tick(self, now: float) -> None:
        looking = [session for session in self._due(now) if self._looks(session, now)]
        for start in range(0, len(looking), TOGETHER):
            _look(looking[start : start + TOGETHER])

    def _due(self, now: float) -> list[Session]:
        """Those whose turn has begun. The turn that is not over may hold some who are not due yet."""
        this = int(now / TICK_SECONDS) + 1
        with self._guard:
            begun = [turn for turn in self._turns if turn <= this]
            due = [session for turn in begun for session in self._turns.pop(turn)]
            for session in due:
                session.turn = 0
        return due

    def _looks(self, session: Session, now: float) -> bool:
        """Has it do what is due, if that has not been put off since it was planned."""
        try:
            return session.due_at <= now and session.tick(now)
        except Exception:
            log.exception("ticker failed", person=session.person)
            return False
        finally:
            self._plan(session)


def _look(sessions: Sequence[Session]) -> None:
    try:
        looks = mailbox.since_all([session.place for session in sessions])
    except redis.RedisError as error:
        if len(sessions) > 1 and not failing.store_away(error):
            # One mailbox is at fault, and the others must not go without.
            for session in sessions:
                _look([session])
            return
        for session in sessions:
            session.storage_away(error)
        return
    for session, look in zip(sessions, looks, strict=True):
        try:
            session.looked(look)
        except Exception:
            log.exception("ticker failed", person=session.person)


_ticker = Ticker()
add = _ticker.add
discard = _ticker.discard
sessions = _ticker.sessions
stop = _ticker.stop
