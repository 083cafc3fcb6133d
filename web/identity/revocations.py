"""Revoked tokens: this process's copy of the list in Postgres.

A check is one dictionary lookup. Redis has no part in it, so its loss makes no revoked token valid again.
"""

import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from web.identity.tokens import Caller, Unauthenticated
from workers import revoking

log = structlog.get_logger()

# A revoked token is refused, and its socket closed, within this and the time of a query.
RENEW_SECONDS = 2.0
# A process that has just started has no list yet; the first caller waits this long for it.
FIRST_SECONDS = 1.0

# Gets the ids of revoked tokens; must not block.
Watcher = Callable[[Collection[str]], None]


class Revocations:
    """The list, renewed by a thread of its own that the first use starts."""

    def __init__(self) -> None:
        self._expires_at: dict[str, datetime] = {}
        self._newest: datetime | None = None
        self._watchers: list[Watcher] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._tried = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, watcher: Watcher) -> None:
        """Calls the watcher with every token that is revoked from now on."""
        self._watchers.append(watcher)

    def refuse(self, caller: Caller) -> None:
        """Raises ``Unauthenticated`` if the caller's token is revoked."""
        self._start()
        if self.knows(caller.token_id):
            raise Unauthenticated("The token was called back.")

    def knows(self, token_id: str) -> bool:
        """Whether this token is on the list as it was read last."""
        return token_id in self._expires_at

    def renew(self, now: datetime | None = None) -> None:
        """Reads the new ones and forgets those that have expired. Raises ``SQLAlchemyError``."""
        found = revoking.since(self._newest)
        new = [revoked.token_id for revoked in found if revoked.token_id not in self._expires_at]
        now = now or datetime.now(UTC)
        current = self._expires_at | {revoked.token_id: revoked.expires_at for revoked in found}
        self._expires_at = {token_id: at for token_id, at in current.items() if at > now}
        if found:
            self._newest = found[-1].revoked_at
        if new:
            for watcher in self._watchers:
                watcher(new)

    def stop(self) -> None:
        """Ends the thread; a later use starts it again."""
        self._stopping.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        self._stopping.clear()

    def _start(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="revocations", daemon=True)
                    self._thread.start()
            self._tried.wait(FIRST_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.renew()
            except SQLAlchemyError as error:
                log.warning("revocations not renewed", error=str(error).partition("\n")[0])
            # Nobody else would start this thread again.
            except Exception:
                log.exception("revocations not renewed")
            self._tried.set()
            self._stopping.wait(RENEW_SECONDS)


revocations = Revocations()
