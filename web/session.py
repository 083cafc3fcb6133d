"""What goes out to one person's socket, in one order, by one writer.

Pub/sub wakes it and is not trusted: every message names the one before it, and the mailbox is read
whenever one is missing, at every heartbeat, and every 20 s in any case.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError
from wsproto.events import Ping

from models.live import mailbox
from models.live.mailbox import Frame, Live, Replaced
from models.messages import Message
from web import hub
from web.auth import Caller
from web.connection import WebSocket
from workers import reading

log = structlog.get_logger()

PING_SECONDS = 25.0
LOOK_SECONDS = 20.0
RETRY_SECONDS = 1.0
# How long a peer may take to answer our close frame.
CLOSE_SECONDS = 1.0
# More than anybody has open offers; who lets this many wait does not read.
MAX_QUEUED = 1500

# So many frames leave together at most: the time a peer has to read them is for each packet.
PACKET = 50

REPLACED = (4409, "replaced by a newer connection")
EXPIRED = (4401, "the token has run out")
SILENT = (1008, "no answer to pings")
SLOW = (1008, "reads too slowly")
FAILED = (1011, "something went wrong on our side")
UNAVAILABLE = {
    "code": "SERVICE_UNAVAILABLE",
    "message": "We cannot reach our storage. Stay connected.",
}


class Session:
    """One socket of one person; :meth:`run` is the writer, everything else may be called from anywhere."""

    def __init__(self, socket: WebSocket, caller: Caller, last_event_id: int | None) -> None:
        self.caller = caller
        self.person = f"{caller.role}:{caller.sub}"
        self.reader_done = threading.Event()
        self._socket = socket
        self._seen = last_event_id
        self._work: deque[Callable[[], object]] = deque()
        # Messages published and taken up; each number has one writer.
        self._woken = self._taken = 0
        self._bell = threading.Event()
        # What has gone out since the last flush: frames that come together leave in one packet.
        self._texts: list[str] = []
        self._ending: tuple[int, str] | None = None
        self._opened = self._unavailable = False
        self._subscribed = False
        self._holder = self._sent = 0
        now = time.monotonic()
        self._look_at, self._ping_at = now, now + PING_SECONDS
        self._pinged_at: float | None = None
        self._expires_at = now + (caller.expires_at - datetime.now(UTC)).total_seconds()

    @property
    def closing(self) -> bool:
        return self._ending is not None

    def wake(self, payload: str | None) -> None:
        """Takes what was published for this person (the hub's callback)."""
        lines = 1 + payload.count("\n") if payload else 1
        self._woken += lines
        self._enqueue(lambda: self._take(payload, lines))

    def look(self) -> None:
        """Has the mailbox read for anything that pub/sub has missed."""
        self._enqueue(self._look)

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Sends a frame to this socket alone; it is not kept."""
        self._enqueue(lambda: self._send_own(kind, data))

    def pong(self, ping: Ping) -> None:
        self._enqueue(lambda: self._pong(ping))

    def close(self, code: int, reason: str) -> None:
        """Closes the socket as soon as the frame being sent is out; the first reason counts."""
        if self._ending is None:
            self._ending = (code, reason)
            self._enqueue(lambda: None)

    def cut(self) -> None:
        """Ends the connection at once, even while a frame is stuck in it."""
        self._socket.cut()

    def run(self) -> None:
        """Sends until the socket is closed from either side."""
        try:
            while self._ending is None:
                self._next()
        except OSError as error:
            log.info("socket gone", person=self.person, error=str(error))
        except Exception:
            log.exception("socket failed", person=self.person)
            self._ending = FAILED
        finally:
            hub.unsubscribe(self.person, self.wake)
            self._socket.close(*(self._ending or (1000, "")))
            self.reader_done.wait(CLOSE_SECONDS)
            self._socket.cut()

    def _enqueue(self, work: Callable[[], object]) -> None:
        if len(self._work) < MAX_QUEUED and self._woken - self._taken <= MAX_QUEUED:
            self._work.append(work)
            self._bell.set()
            return
        if self._ending is None:
            log.info("slow reader dropped", person=self.person)
            self._ending = SLOW
        self.cut()

    def _next(self) -> None:
        now = time.monotonic()
        due = min(self._expires_at, self._ping_at, self._look_at)
        if now < due:
            self._bell.wait(due - now)
            self._bell.clear()
            while self._work and self._ending is None:
                self._work.popleft()()
        elif now >= self._expires_at:
            self.close(*EXPIRED)
        elif now >= self._ping_at:
            self._ping(now)
        else:
            self._look()
        self._flush()

    def _ping(self, now: float) -> None:
        if self._pinged_at is not None and self._socket.heard_at < self._pinged_at:
            self.close(*SILENT)
            return
        self._pinged_at, self._ping_at = now, now + PING_SECONDS
        self._socket.ping()

    def _pong(self, ping: Ping) -> None:
        self._flush()
        self._socket.pong(ping)

    def _look(self) -> bool:
        """Opens the mailbox, or reads what came since; storage that is away is tried again soon."""
        try:
            found = self._catch_up() if self._opened else self._open()
        except (redis.RedisError, SQLAlchemyError) as error:
            self._look_at = time.monotonic() + RETRY_SECONDS
            self._say_unavailable(error)
            return False
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._unavailable = False
        for frame in found:
            self._send(frame)
        return True

    def _say_unavailable(self, error: Exception) -> None:
        if self._unavailable:
            return
        self._unavailable = True
        log.warning("storage away", person=self.person, error=str(error).partition("\n")[0])
        self._send_own("error", UNAVAILABLE)

    def _open(self) -> list[Frame]:
        """Subscribes first, then reads the mailbox, then Postgres: nothing can fall between."""
        if not self._subscribed:
            hub.subscribe(self.person, self.wake)
            self._subscribed = True
        opening = mailbox.open(self.person, self._seen)
        data, open_offers = self._snapshot()
        now = datetime.now(UTC)
        mailbox.put(open_offers, now)
        still_open = {offer.key for offer in open_offers}
        connected_id = max(opening.connected_id, self._sent + 1)
        connected = mailbox.text(connected_id, mailbox.body("connected", data, now))
        pending = [f for f in opening.pending if f.type != "new_broadcast" or f.key in still_open]
        self._opened, self._holder = True, opening.holder
        return [Frame(connected_id, connected), *(f for f in pending if f.id > self._sent)]

    def _snapshot(self) -> tuple[dict[str, Any], list[Message]]:
        if self.caller.role == "customer":
            return reading.customer_opening(self.caller.sub), []
        opening = reading.driver_opening(self.caller.sub)
        return opening.data, opening.open_messages

    def _catch_up(self) -> list[Frame]:
        look = mailbox.since(self.person, self._sent)
        if not look.holder:
            # Redis has lost this mailbox: begin again from Postgres.
            return self._open()
        self._check_holder(look.holder)
        return look.frames

    def _check_holder(self, holder: int) -> None:
        if holder > self._holder:
            self.close(*REPLACED)

    def _take(self, payload: str | None, lines: int) -> None:
        self._taken += lines
        if payload is None:
            self._look()
        elif self._opened:
            for message in mailbox.published(payload):
                if isinstance(message, Replaced):
                    self._check_holder(message.holder)
                else:
                    self._take_live(message)

    def _take_live(self, message: Live) -> None:
        if message.previous > self._sent and not self._look():
            return
        if message.frame.id > self._sent:
            self._send(message.frame)

    def _send(self, frame: Frame) -> None:
        self._texts.append(frame.text)
        self._sent = frame.id

    def _flush(self) -> None:
        while self._texts:
            texts, self._texts = self._texts[:PACKET], self._texts[PACKET:]
            self._socket.send(texts)

    def _send_own(self, kind: str, data: dict[str, Any]) -> None:
        # Mailboxes leave room after each id for frames that only this socket sees.
        own_id = (self._sent or min(self._seen or 0, time.time_ns() // 1000)) + 1
        content = mailbox.body(kind, data, datetime.now(UTC))
        self._send(Frame(own_id, mailbox.text(own_id, content)))
