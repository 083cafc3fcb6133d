"""Counts of the last hour, minute by minute: what was counted of a minute that is over is kept in Redis."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, TextClause

from models import clock
from models.keyset import first_id
from models.live import figures
from models.live.figures import Counts
from workers.reading.figures import counts

MINUTE = timedelta(minutes=1)
REMEMBERED_SECONDS = 2 * 3600


@dataclass(frozen=True)
class ByMinute:
    """What a statement counts of a minute: rows of a name and a number, for the times and the ids of orders
    from ``since`` until ``until``. So many seconds after its end a minute does not change any more.
    """

    name: str
    statement: TextClause
    names: tuple[str, ...]
    closed_seconds: int

    def of_last_hour(self, connection: Connection, now: datetime | None) -> Counts:
        """For another ``now`` than that of the clock nothing is kept."""
        moment = now or clock.now()
        minutes = [moment.replace(second=0, microsecond=0) - ago * MINUTE for ago in range(61)]
        known = figures.recall([self._key(minute) for minute in minutes]) if now is None else [None] * 61
        total, new = dict.fromkeys(self.names, 0), {}
        for minute, kept in zip(minutes, known, strict=True):
            since = max(minute, moment - timedelta(hours=1))
            counted = kept or self._count(connection, since, minute + MINUTE)
            if kept is None and since == minute and moment - minute >= self._closed:
                new[self._key(minute)] = counted
            total = {name: number + counted[name] for name, number in total.items()}
        if new and now is None:
            figures.remember(new, REMEMBERED_SECONDS)
        return total

    @property
    def _closed(self) -> timedelta:
        return MINUTE + timedelta(seconds=self.closed_seconds)

    def _count(self, connection: Connection, since: datetime, until: datetime) -> Counts:
        ids = {"first_id": first_id(since), "last_id": first_id(until)}
        rows = connection.execute(self.statement, {"since": since, "until": until} | ids).all()
        return counts(rows, self.names)

    def _key(self, minute: datetime) -> str:
        return f"{self.name}:{minute:%Y-%m-%dT%H:%M}"
