"""What statements, Redis commands and requests take while the system is used."""

import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg2

from models import live

STATEMENT_MS, REDIS_MS, OVERVIEW_MS = 50.0, 5.0, 250.0
# What cleaning alone does.
CLEANING = re.compile(r"DELETE FROM (admissions|revoked_tokens)")
OVERVIEW = "GET /ops/overview"


@dataclass(frozen=True)
class Measured:
    """One statement, command or request: how often, usually and at most (ms), and its limit, 0 for none.

    Usual is the mean of a statement and the median of what is timed here.
    """

    kind: str
    what: str
    count: int
    usual_ms: float
    longest_ms: float
    limit_ms: float

    @property
    def over(self) -> bool:
        return 0 < self.limit_ms < self.longest_ms

    def __str__(self) -> str:
        mark = "OVER" if self.over else ""
        figures = f"{self.count:6} {self.usual_ms:8.1f} {self.longest_ms:8.1f} {self.limit_ms:6.0f}"
        return f"{self.kind:9} {figures} {mark:4} {self.what}"


class Watch:
    """From :meth:`begin` to :meth:`end`; requests are timed by who makes them."""

    def __init__(self, url: str) -> None:
        self._connection: Any = psycopg2.connect(url)
        self._connection.autocommit = True
        self._requests: dict[str, list[float]] = {}
        self._query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def begin(self) -> None:
        """Forgets what was measured before."""
        self._requests.clear()
        self._query("SELECT pg_stat_statements_reset()")
        redis = live.commands()
        redis.config_set("slowlog-log-slower-than", int(REDIS_MS * 1000))
        redis.config_set("slowlog-max-len", 1000)
        redis.slowlog_reset()

    @contextmanager
    def timed(self, request: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self._requests.setdefault(request, []).append((time.monotonic() - begun) * 1000)

    def end(self) -> list[Measured]:
        """Everything, the longest in comparison to its limit first."""
        found = [*self._statements(), *self._commands(), *self._timed()]
        self._connection.close()
        return sorted(
            found, key=lambda measured: measured.longest_ms / (measured.limit_ms or 1e9), reverse=True
        )

    def _statements(self) -> Iterator[Measured]:
        rows = self._query("""
            SELECT query, calls, mean_exec_time, max_exec_time FROM pg_stat_statements
            WHERE query ~* '^[( ]*(SELECT|INSERT|UPDATE|DELETE|WITH|EXECUTE|PREPARE)'
                AND query NOT LIKE '%pg_stat_statements%'
        """)
        for query, calls, mean, longest in rows:
            limit = 0 if CLEANING.search(query) else STATEMENT_MS
            yield Measured("statement", " ".join(query.split())[:150], calls, mean, longest, limit)

    def _commands(self) -> Iterator[Measured]:
        slow: dict[str, list[float]] = {}
        for entry in cast("list[dict[str, Any]]", live.commands().slowlog_get(1000)):
            words = entry["command"].decode(errors="replace").split()
            slow.setdefault(" ".join(words[:4]), []).append(entry["duration"] / 1000)
        for command, took in slow.items():
            yield Measured("redis", command, len(took), statistics.median(took), max(took), REDIS_MS)

    def _timed(self) -> Iterator[Measured]:
        for request, took in self._requests.items():
            limit = OVERVIEW_MS if request == OVERVIEW else 0
            yield Measured("request", request, len(took), statistics.median(took), max(took), limit)

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
