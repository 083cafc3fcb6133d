"""What a socket's reader has to remember: what was seen, what is done with, when to reconnect.

No network and no clock; the two sockets (``events.py`` and its twin) feed it.
"""

import json
import random
from collections import deque
from typing import Any

from weelo_client import envelope
from weelo_client.frames import Event, kind_of
from weelo_client.results import Replaced, SocketEnded, SocketRefused, TokenExpired

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
# After a flood the server deserves a rest before the next try.
FLOOD_PAUSE_S = 5.0
OPEN_TIMEOUT_S = 10.0
# Drivers count as silent after 60 s; two heartbeats may be lost.
HEARTBEAT_S = 20.0
# Messages can come twice after a reconnect, and then soon after it. A mailbox keeps 200.
REMEMBERED_IDS = 500
# An acknowledgement for every frame would double the traffic of a busy socket.
ACKNOWLEDGE_AT_MOST = 50

POLICY = 1008
# Frames of ours that the server cannot read: the same would happen again.
OURS = frozenset({1003, 1007, 1009})
ENDS = {4401: TokenExpired, 4409: Replaced} | dict.fromkeys(OURS, SocketEnded)
# The statuses of a handshake that is worth a repeat.
DOOR_RETRIES = frozenset({408, 425, 429})


class Stream:
    """The memory of one person's sockets, one after the other."""

    def __init__(self, last_event_id: int | None = None, dice: random.Random | None = None) -> None:
        self.last_event_id = last_event_id
        self._dice = dice or random.Random()
        self._seen: deque[int] = deque(maxlen=REMEMBERED_IDS)
        self._unacknowledged = 0
        self._pause = FIRST_PAUSE_S

    def address(self, url: str) -> str:
        """Where to connect, resuming after what the app has finished with."""
        resume = "" if self.last_event_id is None else f"?lastEventId={self.last_event_id}"
        return "ws" + url.removeprefix("http") + "/api/v1/ws" + resume

    def read(self, text: str | bytes) -> Event | None:
        """One frame; None for one that has been seen before."""
        told = json.loads(text)
        event = kind_of(told)(told["type"], told["id"], told["at"], told["data"])
        if event.type == "connected":
            self._pause = FIRST_PAUSE_S
            return event
        if event.id in self._seen:
            return None
        self._seen.append(event.id)
        return event

    def finished(self, event: Event) -> None:
        """The app has done what this event asks for, and all that came before it.

        The id of ``connected`` is never taken: older messages may follow it.
        """
        if event.type != "connected" and event.id > (self.last_event_id or 0):
            self.last_event_id = event.id
            self._unacknowledged += 1

    def acknowledgement(self, idle: bool) -> str | None:
        """The frame that acknowledges everything finished, if one is due."""
        if not self._unacknowledged or not (idle or self._unacknowledged >= ACKNOWLEDGE_AT_MOST):
            return None
        self._unacknowledged = 0
        return frame("broadcast_ack", {"id": self.last_event_id})

    def lost(self, code: int | None, reason: str = "") -> float:
        """Seconds until the next try after a close code, or None for no connection at all.

        Raises ``SocketEnded`` where coming back would be wrong or useless.
        """
        if code in ENDS:
            raise ENDS[code](code, reason)
        # Spread out: after a restart all clients reconnect at the same moment.
        spread = self._dice.uniform(0.5, 1.5)
        if code == POLICY:
            return FLOOD_PAUSE_S * spread
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE_S)
        return pause * spread

    def refused(self, status: int, body: bytes | bytearray) -> float:
        """The same after an HTTP answer in place of the upgrade; one without our envelope is none."""
        if not envelope.code(envelope.read(body)):
            return self.lost(None)
        if status == 401:
            raise TokenExpired(status, "the token is not accepted")
        if status < 500 and status not in DOOR_RETRIES:
            raise SocketRefused(status, "the upgrade was refused")
        return self.lost(None)


def frame(kind: str, data: dict[str, Any]) -> str:
    """One frame to the server."""
    return json.dumps({"type": kind, "data": data})
