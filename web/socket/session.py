"""The messages that one person's socket is sent.

Pub/sub wakes it and is not trusted: every message names the one before it, and the mailbox is read
whenever one is missing, at every heartbeat, and every 20 s in any case.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from models import clock
from models.live import mailbox
from models.live.mailbox import Frame, Live, Look, Replaced
from models.messages import Message, iso
from web.http.watching import watching
from web.identity.tokens import Caller
from web.socket import snapshots
from web.socket.websocket import WebSocket
from web.wakeups import wakeups
from workers.reading import current

log = structlog.get_logger()

PING_SECONDS = 25.0
LOOK_SECONDS = 20.0
RETRY_SECONDS = 1.0
# How long a peer may take to answer our close frame.
CLOSE_SECONDS = 1.0

NORMAL = (1000, "")
REPLACED = (4409, "replaced by a newer connection")
EXPIRED = (4401, "the token has run out")
SILENT = (1008, "no answer to pings")
FAILED = (1011, "something went wrong on our side")
UNAVAILABLE = {
    "code": "SERVICE_UNAVAILABLE",
    "message": "We cannot reach our storage. Stay connected.",
}


class Session:
    """One socket of one person. Every method may be called from any thread; only :meth:`open` waits."""

    __slots__ = (
        *("person", "caller", "schedule", "scheduled_for", "_websocket", "_lock"),
        *("_seen", "_opened", "_opening", "_subscribed", "_unavailable", "_holder", "_sent"),
        *("_look_at", "_ping_at", "_pinged_at", "_expires_at", "_cut_at"),
    )

    def __init__(self, websocket: WebSocket, caller: Caller, last_event_id: int | None) -> None:
        self.caller, self.person = caller, f"{caller.role}:{caller.sub}"
        self._websocket = websocket
        # Frames leave in the order of their ids, and `_sent` is the last one.
        self._lock = threading.Lock()
        self._seen = last_event_id
        self._opened = self._opening = self._subscribed = self._unavailable = False
        self._holder = self._sent = 0
        now = time.monotonic()
        # Thousands reconnect at once when a server has stopped: their timers must not stay in step.
        early = random.random() / 2
        self._look_at, self._ping_at = now + LOOK_SECONDS * (1 - early), now + PING_SECONDS * (1 - early)
        self._pinged_at = -math.inf
        self._expires_at = now + (caller.expires_at - datetime.now(UTC)).total_seconds()
        self._cut_at = math.inf
        # Set by `web.socket.timers`: what to call when `due_at` has changed, and when it looks next.
        self.schedule: Callable[[Session], None] | None = None
        self.scheduled_for = math.inf

    @property
    def closing(self) -> bool:
        """Whether either side has closed, or the peer is gone."""
        return not self._websocket.connected

    @property
    def due_at(self) -> float:
        """When :meth:`tick` has something to do."""
        return self._cut_at if self.closing else min(self._expires_at, self._ping_at, self._look_at)

    @property
    def place(self) -> tuple[str, int]:
        """The person, and the id of what was sent last."""
        return self.person, self._sent

    def open(self) -> None:
        """Opens the mailbox, or has it tried again soon. Waits for the stores."""
        self._opening = True
        try:
            self._open()
        except (redis.RedisError, SQLAlchemyError) as error:
            self.storage_away(error)
        except Exception:
            log.exception("mailbox not opened", person=self.person)
            self.close(*FAILED)
        finally:
            self._opening = False
            if self.closing:
                wakeups.unsubscribe(self.person, self.wake)

    def wake(self, payload: str | None) -> None:
        """Takes what was published for this person (the callback of `web.wakeups`)."""
        if payload is None:
            self.look()
        elif self._opened:
            with self._lock:
                for message in mailbox.published(payload):
                    self._take(message)

    def look(self) -> None:
        """Has the mailbox read, at the next tick, for anything that pub/sub has missed."""
        self._look_at = 0.0
        self._reschedule()

    def looked(self, look: Look) -> None:
        """Takes what the mailbox has kept since :attr:`place`."""
        if look.holder:
            with self._lock:
                self._show(look.holder, look.frames)
        else:
            # Redis has lost this mailbox: it is filled again from Postgres.
            self._opened = False
            self.look()

    def storage_away(self, error: Exception) -> None:
        """The mailbox could not be read: it is tried again soon."""
        self._look_in(RETRY_SECONDS)
        if not self._unavailable:
            self._unavailable = True
            log.warning("storage away", person=self.person, error=str(error).partition("\n")[0])
            self.notify("error", UNAVAILABLE)

    def notify(self, kind: str, data: dict[str, Any]) -> None:
        """Sends a frame to this socket alone; it is not kept."""
        with self._lock:
            # Mailboxes leave room after each id for frames that only this socket sees.
            own_id = (self._sent or min(self._seen or 0, clock.now_ms() * 1000)) + 1
            content = mailbox.body(kind, data, iso(clock.now()))
            self._send(Frame(own_id, mailbox.text(own_id, content)))

    def close(self, code: int, reason: str) -> None:
        """Closes the socket behind what is being sent; the first reason counts."""
        if not self.closing:
            self._websocket.close(code, reason)
            self._cut_soon()

    def cut(self) -> None:
        """Ends the connection at once."""
        self._websocket.cut()

    def end(self) -> None:
        """Ends what is left of a conversation; to be called by the reader, last."""
        self.close(*NORMAL)
        self._cut_soon()
        self._websocket.await_close()
        if not self._websocket.hang_up():
            log.info("slow reader dropped", person=self.person)
        wakeups.unsubscribe(self.person, self.wake)

    def tick(self, now: float) -> bool:
        """Does what is due. Whether the mailbox is to be read from :attr:`place` on, for :meth:`looked`."""
        if self.closing:
            self._cut_at = math.inf
            self.cut()
        elif now >= self._expires_at:
            self.close(*EXPIRED)
        elif now >= self._ping_at:
            self._ping(now)
        elif now >= self._look_at:
            self._look_in(LOOK_SECONDS)
            if not self._opened and not self._opening:
                threading.Thread(target=self.open, name="open mailbox", daemon=True).start()
            return self._opened
        return False

    def _look_in(self, seconds: float) -> None:
        self._look_at = time.monotonic() + seconds
        self._reschedule()

    def _cut_soon(self) -> None:
        self._cut_at = time.monotonic() + CLOSE_SECONDS
        self._reschedule()

    def _reschedule(self) -> None:
        if schedule := self.schedule:
            schedule(self)

    def _ping(self, now: float) -> None:
        if self._websocket.heard_at < self._pinged_at:
            self.close(*SILENT)
            return
        self._pinged_at, self._ping_at = now, now + PING_SECONDS
        self._websocket.ping()

    def _open(self) -> None:
        """Subscribes first, then reads the mailbox, then Postgres: nothing can fall between."""
        if not self._subscribed:
            wakeups.subscribe(self.person, self.wake)
            self._subscribed = True
        opening = mailbox.open(self.person, self._seen)
        data, open_offers = self._snapshot()
        now = clock.now()
        mailbox.put(open_offers, now)
        still_open = {offer.key for offer in open_offers}
        pending = [f for f in opening.pending if f.type != "new_broadcast" or f.key in still_open]
        with self._lock:
            connected_id = max(opening.connected_id, self._sent + 1)
            connected = mailbox.text(connected_id, mailbox.body("connected", data, iso(now)))
            self._opened, self._holder = True, opening.holder
            self._show(opening.holder, [Frame(connected_id, connected), *pending])
        # What was published meanwhile was not taken.
        self.look()

    def _snapshot(self) -> tuple[dict[str, Any], list[Message]]:
        if self.caller.role == "customer":
            return snapshots.of_customer(current.current_order(self.caller.sub)), []
        opening = current.driver_opening(self.caller.sub)
        return snapshots.of_driver(opening.data), opening.open_messages

    def _take(self, message: Live | Replaced) -> None:
        if isinstance(message, Replaced):
            self._check_holder(message.holder)
        elif message.previous > self._sent:
            self.look()
        elif message.frame.id > self._sent:
            self._send(message.frame)

    def _show(self, holder: int, frames: Sequence[Frame]) -> None:
        self._unavailable = False
        self._check_holder(holder)
        after = self._sent
        for frame in frames:
            if frame.id > after:
                self._send(frame)

    def _check_holder(self, holder: int) -> None:
        if holder > self._holder:
            self.close(*REPLACED)

    def _send(self, frame: Frame) -> None:
        if watching.people and not self.closing:
            watching.frame(self.person, "sent", frame.text)
        self._websocket.send(frame.text)
        self._sent = frame.id
