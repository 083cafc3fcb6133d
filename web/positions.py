"""Drivers' last positions, on their way to Postgres: one write for all of this process every 5 s."""

import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from models.live.driver_index import Position
from workers import locating

log = structlog.get_logger()

# Postgres keeps the last position for a Redis that has lost it; a few seconds less hurt nobody.
FLUSH_SECONDS = 5.0


class Positions:
    """Collects positions and writes them from a thread of its own, started by the first one."""

    def __init__(self) -> None:
        self._latest: dict[str, Position] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, driver_id: str, position: Position) -> None:
        """Takes a driver's newest position for the next write."""
        with self._lock:
            self._latest[driver_id] = position
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="positions", daemon=True)
                self._thread.start()

    def flush(self) -> int:
        """Writes what has been noted; how many drivers. What cannot be written is kept for later."""
        with self._lock:
            batch, self._latest = self._latest, {}
        if not batch:
            return 0
        try:
            locating.save(batch)
        except SQLAlchemyError as error:
            log.warning("positions not saved", drivers=len(batch), error=str(error).partition("\n")[0])
            with self._lock:
                self._latest = batch | self._latest
            return 0
        return len(batch)

    def stop(self) -> None:
        """Writes what is left and ends the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            thread.join()
            self._stopping.clear()
        self.flush()

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            try:
                self.flush()
            # Nobody else would start this thread again.
            except Exception:
                log.exception("positions not saved")


_positions = Positions()
note = _positions.note
stop = _positions.stop
