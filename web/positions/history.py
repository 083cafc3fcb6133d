"""Writes the drivers' positions of this process to Postgres: every 5 s the ways of running trips, every 15 s
each driver's last position, some hundred drivers at a time.
"""

import itertools
import threading
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from models import clock
from models.live.driver_index import Moved, Position, Report
from workers import failing
from workers.drivers import locating, tracking
from workers.drivers.tracking import Point, Way

log = structlog.get_logger()

FLUSH_SECONDS = 5.0
# Postgres keeps the last position in case Redis loses it; drivers at work report again within seconds.
LAST_EVERY = 3
# Ten thousand at once stopped the process for 60 to 100 ms, and kept a core of Postgres busy for as long.
AT_ONCE = 500
# Short, since the ways wait meanwhile.
PAUSE_SECONDS = 0.05
# This many positions of trips wait while Postgres is away; older ones are dropped.
MAX_WAITING = 50_000


class PositionHistory:
    """Collects positions and writes them from a thread of its own, started by the first one."""

    def __init__(self) -> None:
        self._latest: dict[str, Position] = {}
        # The first point of each second, the oldest news first.
        self._ways: dict[tuple[Way, int], Point] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def record(self, driver_id: str, position: Position) -> None:
        """Takes a driver's newest position for the next write."""
        with self._lock:
            self._latest[driver_id] = position
            self._begin()

    def record_trips(self, reports: Sequence[Report], moves: Sequence[Moved]) -> None:
        """Takes positions for the track of the trip that each was found to belong to: a point a second, and
        none from before the trip. One ahead of our clock counts as of now.
        """
        now_ms = clock.now_ms()
        with self._lock:
            for (driver_id, position), moved in zip(reports, moves, strict=True):
                if moved.trip and position.at_ms >= moved.trip.since_ms:
                    point = _point(position, moved, now_ms)
                    way = Way(moved.trip.truck_request_id, driver_id)
                    self._ways.setdefault((way, point[0] // 1000), point)
            if self._ways:
                self._bound()
                self._begin()

    def _bound(self) -> None:
        for key in list(itertools.islice(self._ways, max(0, len(self._ways) - MAX_WAITING))):
            del self._ways[key]

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="positions", daemon=True)
            self._thread.start()

    def flush(self, pause: float = 0.0) -> int:
        """Writes what has been noted, ``pause`` seconds between one write and the next unless this stops; how
        many drivers. What cannot be written is kept for later.
        """
        self._flush_ways()
        saved, noted = 0, len(self._latest)
        while saved < noted and (part := self._take_some()):
            try:
                for _ in failing.apart("positions", list(part.items()), _save, name=_driver):
                    pass
            except SQLAlchemyError as error:
                log.warning("positions not saved", drivers=len(part), error=str(error).partition("\n")[0])
                with self._lock:
                    self._latest = part | self._latest
                break
            saved += len(part)
            if pause and saved < noted:
                self._stopping.wait(pause)
        return saved

    def _take_some(self) -> dict[str, Position]:
        """The drivers that have waited longest."""
        with self._lock:
            first = list(itertools.islice(self._latest, AT_ONCE))
            return {driver: self._latest.pop(driver) for driver in first}

    def _flush_ways(self) -> None:
        with self._lock:
            noted, self._ways = self._ways, {}
        parts: dict[Way, list[Point]] = {}
        for (way, _), point in noted.items():
            parts.setdefault(way, []).append(point)
        try:
            for _ in failing.apart("tracks", list(parts.items()), _record, name=_trip):
                pass
        except SQLAlchemyError as error:
            log.warning("ways not saved", positions=len(noted), error=str(error).partition("\n")[0])
            with self._lock:
                self._ways = noted | {key: at for key, at in self._ways.items() if key not in noted}
                self._bound()

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
        turns = itertools.count(1)
        while not self._stopping.wait(FLUSH_SECONDS):
            try:
                if next(turns) % LAST_EVERY:
                    self._flush_ways()
                else:
                    self.flush(PAUSE_SECONDS)
            # Nobody else would start this thread again.
            except Exception:
                log.exception("positions not saved")


def _save(latest: Sequence[tuple[str, Position]]) -> int:
    return locating.save(dict(latest))


def _driver(latest: tuple[str, Position]) -> str:
    return latest[0]


def _record(parts: Sequence[tuple[Way, list[Point]]]) -> int:
    return tracking.record(dict(parts))


def _trip(part: tuple[Way, list[Point]]) -> str:
    return part[0].truck_request_id


def _point(position: Position, moved: Moved, now_ms: int) -> Point:
    return min(position.at_ms, now_ms), position.latitude, position.longitude, int(moved.jumped)


positions = PositionHistory()
