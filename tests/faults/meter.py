"""What every part holds at a moment: memory, threads, files, connections, keys. Read from outside."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from tests.faults.fleet import Fleet
from tests.faults.verdict import rows

SAMPLE_SECONDS = 10.0
# How long each kind of key is; the longest of a kind stands for all.
LENGTHS = {"list": "llen", "stream": "xlen", "zset": "zcard", "hash": "hlen", "set": "scard"}

Figures = dict[str, float]


class Meter(threading.Thread):
    """Measures a running fleet every ten seconds; ``samples`` are (seconds since the start, figures)."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(daemon=True)
        self.fleet = fleet
        self.samples: list[tuple[float, Figures]] = []
        self._over = threading.Event()

    def run(self) -> None:
        begun = time.monotonic()
        while not self._over.wait(SAMPLE_SECONDS):
            self.samples.append((time.monotonic() - begun, figures(self.fleet)))

    def end(self) -> None:
        self._over.set()
        self.join()


def figures(fleet: Fleet) -> Figures:
    """Every figure by its name; memory in MB, and only what is a process's own (not shared)."""
    found: Figures = {}
    for name, process in fleet.processes.items():
        for number, pid in enumerate([process.pid, *fleet.children(name)]):
            label = f"{name}, child {number}" if number else name
            found |= {f"{label}: {what}": value for what, value in _process(pid)}
    found |= {f"redis: {what}": value for what, value in _redis(fleet.valkey.url)}
    found |= {f"postgres: {what}": value for what, value in _postgres(fleet)}
    return found


def _process(pid: int) -> Iterator[tuple[str, float]]:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    yield "memory (MB)", int(status["RssAnon"].split()[0]) / 1024
    yield "threads", int(status["Threads"])
    yield "files", len(os.listdir(f"/proc/{pid}/fd"))


def _redis(url: str) -> Iterator[tuple[str, float]]:
    client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5)
    info: Any = client.info()
    yield "memory (MB)", info["used_memory"] / 2**20
    yield "connections", info["connected_clients"]
    longest = dict.fromkeys(LENGTHS, 0)
    keys = 0
    for key in client.scan_iter(count=1000):
        keys += 1
        kind: Any = client.type(key)
        if kind in LENGTHS:
            length: Any = getattr(client, LENGTHS[kind])(key)
            longest[kind] = max(longest[kind], length)
    yield "keys", keys
    for kind, length in longest.items():
        yield f"longest {kind}", length


def _postgres(fleet: Fleet) -> Iterator[tuple[str, float]]:
    [counts] = rows(
        fleet.postgres.url,
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,"
        " (SELECT count(*) FROM admissions WHERE state = 'queued') AS queued,"
        " (SELECT count(*) FROM outbox) AS undelivered",
    )
    yield "connections", counts.connections
    yield "admissions that wait", counts.queued
    yield "outbox rows", counts.undelivered


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
