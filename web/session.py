"""What one person's socket is told.

Pub/sub wakes it and is not trusted: every message names the one before it, and the mailbox is read
whenever one is missing, at every heartbeat, and every 20 s in any case.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError
from wsproto.events import Ping

from models import clock
from models.live import mailbox
from models.live.mailbox import Frame, Live, Look, Replaced
from models.messages import Message, iso
from web import snapshots
from web.auth import Caller
from web.connection import WebSocket
from web.outgoing import Outgoing
from web.wakeups import wakeups
from workers import reading

log = structlog.get_logger()

PING_SECONDS = 25.0
LOOK_SECONDS = 20.0
RETRY_SECONDS = 1.0

REPLACED = (4409, "replaced by a newer connection")
EXPIRED = (4401, "the token has run out")
SILENT = (1008, "no answer to pings")
UNAVAILABLE = {
    "code": "SERVICE_UNAVAILABLE",
    "message": "We cannot reach our storage. Stay connected.",
}

# What is to be done: something to take, or something to call.
Work: TypeAlias = Live | Replaced | Look | Callable[[], object]


class Session(Outgoing[Work]):
    """One socket of one person; everything may be called from anywhere."""

    __slots__ = (
        *("caller", "_seen", "_opened", "_unavailable", "_subscribed", "_holder", "_sent"),
        *("_look_at", "_ping_at", "_pinged_at", "_expires_at"),
    )

    def __init__(self, socket: WebSocket, caller: Caller, last_event_id: int | None) -> None:
        super().__init__(socket, f"{caller.role}:{caller.sub}")
        self.caller = caller
        self._seen = last_event_id
        self._opened = self._unavailable = self._subscribed = False
        self._holder = self._sent = 0
        now = time.monotonic()
        # Thousands come back together when a server has gone: what is due for them again and again must not
        # stay together.
        early = random.random() / 2
        self._look_at, self._ping_at = now + LOOK_SECONDS * (1 - early), now + PING_SECONDS * (1 - early)
        self._pinged_at: float | None = None
        self._expires_at = now + (caller.expires_at - datetime.now(UTC)).total_seconds()
        self._plan()

    @property
    def place(self) -> tuple[str, int]:
        """The person, and the id of what was sent last."""
        return self.person, self._sent

    def begin(self) -> None:
        """Opens the mailbox."""
        self._submit(self._look)

    def wake(self, payload: str | None) -> None:
        """Takes what was published for this person (the callback of `web.wakeups`)."""
        if payload is None:
            self.look()
        else:
            self._submit(*mailbox.published(payload))

    def look(self) -> None:
        """Has the mailbox read, at the next tick, for anything that pub/sub has missed."""
        self._look_at = 0.0
        self._plan()

    def looked(self, look: Look) -> None:
        """Takes what the mailbox has kept since :attr:`place`."""
        self._submit(look)

    def storage_away(self, error: Exception) -> None:
        """The mailbox could not be read: it is tried again soon."""
        self._look_in(RETRY_SECONDS)
        self._submit(partial(self._say_unavailable, error))

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Sends a frame to this socket alone; it is not kept."""
        self._submit(partial(self._send_own, kind, data))

    def pong(self, ping: Ping) -> None:
        self._submit(partial(self._socket.pong, ping))

    def end(self) -> None:
        super().end()
        wakeups.unsubscribe(self.person, self.wake)

    def tick(self, now: float) -> bool:
        """Does what is due. Whether the mailbox is to be read from :attr:`place` on, for :meth:`looked`."""
        looks = False
        if self._finished:
            self.due_at = float("inf")
            self.cut()
        elif now >= self._expires_at:
            self.close(*EXPIRED)
        elif now >= self._ping_at:
            self._ping(now)
        elif now >= self._look_at:
            looks = self._looks_now()
        self._plan()
        return looks

    def _looks_now(self) -> bool:
        # Whoever is at work may be at the mailbox already, or stuck.
        idle = not self._writing
        self._look_in(LOOK_SECONDS if idle else RETRY_SECONDS)
        if idle and not self._opened:
            self.begin()
        return idle and self._opened

    def _look_in(self, seconds: float) -> None:
        self._look_at = time.monotonic() + seconds
        self._plan()

    def _plan(self) -> None:
        if self._ending is None:
            self._be_due(min(self._expires_at, self._ping_at, self._look_at))

    def _ping(self, now: float) -> None:
        if self._pinged_at is not None and self._socket.heard_at < self._pinged_at:
            self.close(*SILENT)
            return
        self._pinged_at, self._ping_at = now, now + PING_SECONDS
        self._submit(self._socket.ping)

    def _must_wait(self, work: Work) -> bool:
        if isinstance(work, Live):
            return self._opened and work.previous > self._sent
        if isinstance(work, Look):
            return not work.holder
        return work == self._look

    def _do(self, work: Work) -> None:
        if isinstance(work, Live | Replaced):
            if self._opened:
                self._take(work)
        elif not isinstance(work, Look):
            work()
        elif work.holder:
            self._show(work)
        else:
            self._look()

    def _look(self) -> bool:
        """Opens the mailbox, or reads what came since; storage that is away is tried again soon."""
        self._look_in(LOOK_SECONDS)
        try:
            found = mailbox.since(self.person, self._sent) if self._opened else None
            # Without a holder Redis has lost this mailbox: begin again from Postgres.
            if found is None or not found.holder:
                found = self._open()
        except (redis.RedisError, SQLAlchemyError) as error:
            self._look_in(RETRY_SECONDS)
            self._say_unavailable(error)
            return False
        self._show(found)
        return True

    def _show(self, found: Look) -> None:
        self._unavailable = False
        self._check_holder(found.holder)
        after = self._sent
        for frame in found.frames:
            if frame.id > after:
                self._send(frame)

    def _say_unavailable(self, error: Exception) -> None:
        if self._unavailable:
            return
        self._unavailable = True
        log.warning("storage away", person=self.person, error=str(error).partition("\n")[0])
        self._send_own("error", UNAVAILABLE)

    def _open(self) -> Look:
        """Subscribes first, then reads the mailbox, then Postgres: nothing can fall between."""
        if not self._subscribed:
            wakeups.subscribe(self.person, self.wake)
            self._subscribed = True
        opening = mailbox.open(self.person, self._seen)
        data, open_offers = self._snapshot()
        now = clock.now()
        mailbox.put(open_offers, now)
        still_open = {offer.key for offer in open_offers}
        connected_id = max(opening.connected_id, self._sent + 1)
        connected = mailbox.text(connected_id, mailbox.body("connected", data, iso(now)))
        pending = [f for f in opening.pending if f.type != "new_broadcast" or f.key in still_open]
        self._opened, self._holder = True, opening.holder
        return Look(opening.holder, [Frame(connected_id, connected), *pending])

    def _snapshot(self) -> tuple[dict[str, Any], list[Message]]:
        if self.caller.role == "customer":
            return snapshots.of_customer(reading.customer_opening(self.caller.sub)), []
        opening = reading.driver_opening(self.caller.sub)
        return snapshots.of_driver(opening.data), opening.open_messages

    def _take(self, message: Live | Replaced) -> None:
        if isinstance(message, Replaced):
            self._check_holder(message.holder)
        elif (message.previous <= self._sent or self._look()) and message.frame.id > self._sent:
            self._send(message.frame)

    def _check_holder(self, holder: int) -> None:
        if holder > self._holder:
            self.close(*REPLACED)

    def _send(self, frame: Frame) -> None:
        self._texts.append(frame.text)
        self._sent = frame.id

    def _send_own(self, kind: str, data: dict[str, Any]) -> None:
        # Mailboxes leave room after each id for frames that only this socket sees.
        own_id = (self._sent or min(self._seen or 0, clock.now_ms() * 1000)) + 1
        content = mailbox.body(kind, data, iso(clock.now()))
        self._send(Frame(own_id, mailbox.text(own_id, content)))
