"""What a running server uses: processor time of its parts, read from outside."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg2

from tests.conftest import Stores
from tests.faults.meter import cpu_seconds

PARTS = ("web", "postgres", "redis")


class Server:
    """The web processes below one, the backends of Postgres that serve them, and Redis."""

    def __init__(self, stores: Stores, web: int, feeder: int) -> None:
        self._stores, self._web, self._feeder = stores, web, feeder

    def used(self) -> dict[str, float]:
        """Seconds of processor time so far, by part."""
        assert self._stores.valkey.pid
        return {
            "web": _sum([self._web, *children(self._web)]),
            "postgres": _sum(self._backends()),
            "redis": cpu_seconds(self._stores.valkey.pid),
        }

    def _backends(self) -> list[int]:
        with psycopg2.connect(self._stores.postgres.url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
            return [pid for (pid,) in cursor if pid not in (self._feeder, connection.get_backend_pid())]


def children(parent: int) -> Iterator[int]:
    """The processes that this one has started."""
    for found in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(found.read_text().rpartition(")")[2].split()[1]) == parent:
                yield int(found.parent.name)


def _sum(pids: list[int]) -> float:
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            total += cpu_seconds(pid)
    return total


def own_memory(pid: int) -> float:
    """MB that are this process's own."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "RssAnon" in line]
    return int(line.split()[1]) / 1024


def machine_busy() -> tuple[float, float]:
    """Seconds that the machine's processors have been busy, and all seconds they have had."""
    fields = [int(number) for number in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    tick = os.sysconf("SC_CLK_TCK")
    return (sum(fields) - fields[3] - fields[4]) / tick, sum(fields) / tick
