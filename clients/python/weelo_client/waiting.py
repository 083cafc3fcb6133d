"""What waits in threads: the twin of `aio/waiting.py`, by hand."""

import threading
from collections.abc import Callable

from websockets.sync.client import ClientConnection


class Flag(threading.Event):
    """Is set once, and wakes all who wait for it."""

    def within(self, seconds: float) -> None:
        """Waits until it is set, so long at most."""
        self.wait(seconds)


class Pulse:
    """Calls ``beat`` every so many seconds, whatever the app is busy with, until it is stopped."""

    def __init__(self, beat: Callable[[], None], every_s: float) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(beat, every_s), daemon=True)
        self._thread.start()

    def _run(self, beat: Callable[[], None], every_s: float) -> None:
        while not self._over.wait(every_s):
            beat()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def receive_now(connection: ClientConnection) -> str | bytes:
    """A frame that has arrived already. Raises ``TimeoutError``."""
    return connection.recv(timeout=0)
