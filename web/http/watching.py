"""Notes the calls and frames of people whom a developer watches in the console (`web/console/watched.py`).

Outside development nobody is ever watched. The callers look at `people` first, which is empty then.
"""

import threading
import time
from collections import deque
from typing import Any

import orjson
import redis
from flask import Response, g, request

from models import clock
from models.live import watched
from models.live.watched import Entry
from models.messages import iso

# The console renews it every second, or every 15 s while nobody looks at it.
WATCH_SECONDS = 60.0
MOST_PEOPLE = 10
WRITE_EVERY_SECONDS = 0.1
# What comes faster than it is written replaces the oldest.
MOST_UNWRITTEN = 1000
# An entry stays below 2 KB.
LONGEST_TEXT_BYTES = 1500
LONGEST_TITLE = 200
# Their values are not shown: names, phones, addresses, free text, and what somebody sent by mistake.
PRIVATE = frozenset({"name", "customerName", "phone", "address", "vehicleNumber", "reason", "token"})
HIDDEN = "(hidden)"
# How a socket ends without a reason of ours: wsproto's code for no close frame is 1005.
ENDS = {1000: "by the app", 1005: "the connection was lost"}


class Watching:
    """Who is watched, and what was noted of them; a thread writes it while anybody is."""

    def __init__(self) -> None:
        # When each person's watch ends (monotonic), the next one first.
        self.people: dict[str, float] = {}
        self._unwritten: deque[tuple[str, Entry]] = deque(maxlen=MOST_UNWRITTEN)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def renew(self, person: str | None) -> None:
        """Watches this person for a minute from now (a callback of `web.wakeups`)."""
        if person is None:
            return
        with self._lock:
            self.people.pop(person, None)
            self.people[person] = time.monotonic() + WATCH_SECONDS
            if len(self.people) > MOST_PEOPLE:
                del self.people[next(iter(self.people))]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watching", daemon=True)
                self._thread.start()

    def call(self, response: Response) -> None:
        """Notes the request that is answered with this, if its caller is watched."""
        caller: Any = g.get("caller")
        if caller is None or (person := f"{caller.role}:{caller.sub}") not in self.people:
            return
        error = orjson.loads(response.get_data())["error"] if response.status_code >= 400 else {}
        # A query that is refused may have had a token in it.
        path = request.path if response.status_code == 400 else request.full_path.removesuffix("?")
        self._note(
            person,
            kind="call",
            title=f"{request.method} {path}",
            status=str(response.status_code),
            ms=f"{(time.perf_counter() - g.begun) * 1000:.1f}",
            error=": ".join(error[part] for part in ("code", "message") if part in error),
            requestId=g.request_id,
            text=shown(g.get("body", b"")),
        )

    def frame(self, person: str, kind: str, text: str) -> None:
        """Notes a frame that was ``received`` from a person's app or ``sent`` to it, if they are watched."""
        if person in self.people:
            self._note(person, kind=kind, title=_type(text), text=shown(text.encode()))

    def closed(self, person: str, code: int, reason: str | None) -> None:
        """Notes the end of a person's socket, if they are watched."""
        if person in self.people:
            self._note(person, kind="closed", title=reason or ENDS.get(code, ""), status=str(int(code)))

    def stop(self) -> None:
        """Writes what is left and ends the thread."""
        with self._lock:
            self.people.clear()
            thread = self._thread
        if thread is not None:
            thread.join()
            self._write()

    def forget_ended(self, now: float) -> bool:
        """Whether anybody is still watched at this time (monotonic)."""
        with self._lock:
            for person in [person for person, until in self.people.items() if until < now]:
                del self.people[person]
            if not self.people:
                self._thread = None
            return bool(self.people)

    def _note(self, person: str, title: str, **entry: str) -> None:
        entry |= {"at": iso(clock.now()), "title": title[:LONGEST_TITLE]}
        self._unwritten.append((person, {name: value for name, value in entry.items() if value}))

    def _run(self) -> None:
        while self.forget_ended(time.monotonic()):
            time.sleep(WRITE_EVERY_SECONDS)
            self._write()

    def _write(self) -> None:
        entries = [self._unwritten.popleft() for _ in range(len(self._unwritten))]
        try:
            watched.append(entries)
        except redis.RedisError:
            # Nobody can look at them either.
            return


def shown(raw: bytes) -> str:
    """JSON without what is private, cut to a length."""
    try:
        text = orjson.dumps(_public(orjson.loads(raw))) if raw else b""
    except (ValueError, RecursionError):
        return f"{len(raw)} bytes that are no JSON to show"
    if len(text) <= LONGEST_TEXT_BYTES:
        return text.decode()
    return text[:LONGEST_TEXT_BYTES].decode(errors="ignore") + "…"


def _public(value: Any) -> Any:
    if isinstance(value, list):
        return [_public(item) for item in value]
    if isinstance(value, dict):
        return {name: HIDDEN if name in PRIVATE else _public(item) for name, item in value.items()}
    return value


def _type(text: str) -> str:
    try:
        return str(orjson.loads(text)["type"])
    except (ValueError, TypeError, KeyError):
        return "a message without a type"


watching = Watching()
