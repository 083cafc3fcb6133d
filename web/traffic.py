"""Requests, sockets and limits that were open, counted in memory that all processes of one web server share.

A scrape reaches one of them and has to tell of all. A file for each process, as the Prometheus client
would have it, stays behind when that process is killed. This memory belongs to no file: it goes with
the last process. A new worker goes on in the slot of the one it replaces, so counters never fall.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator
from mmap import mmap

from flask import Flask, Response, g, request

# Every status that this server gives, and one for whatever else: labels must be bounded.
STATUSES: tuple[int, ...] = (
    *(101, 200, 201, 202, 204, 302, 304, 308),
    *(400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 417, 422, 426, 429, 431),
    *(500, 503, 0),
)
STATUS_CELLS = {status: number for number, status in enumerate(STATUSES)}
# Upper limits in seconds. An order is answered within 5 s; nothing should take longer than 10.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
ROLES = ("customer", "driver")
# Limits that are counted in Redis, and are none while it is away.
LIMITS = ("orders", "reads")
# Why a new order was refused without any work: more waited than could be answered in time, the process was
# behind with its work, or the client had hung up meanwhile.
REFUSALS = ("full", "behind", "gone")
# For what no route has taken, whatever its path and method were.
UNMATCHED = ("ANY", "unmatched")

# A slot begins with its sockets, its open limits, its refusals; the routes follow.
HEAD_CELLS = len(ROLES) + len(LIMITS) + len(REFUSALS)
ROW_CELLS = len(STATUSES) + len(BUCKETS) + 1
# A process without others has as much room as gunicorn gives to each of its own.
OWN_BYTES = 64 * 1024

Row = tuple[str, str]


class Board:
    """The counts: one slot a process, one row a route, one cell (a double) a number.

    Each process writes to its own slot only, from one thread at a time, so there is nothing to lock.
    """

    def __init__(self) -> None:
        self._rows: dict[Row, int] = {}
        self.share(mmap(-1, OWN_BYTES), slot=0, slots=1)

    def share(self, memory: mmap, slot: int, slots: int) -> None:
        """Counts in this slot of this memory from now on; nobody is connected yet."""
        self._cells = memoryview(memory).cast("d")
        self._slots = slots
        self._slot_cells = len(self._cells) // slots
        self._base = slot * self._slot_cells
        for number in range(len(ROLES)):
            self._cells[self._base + number] = 0

    def lay_out(self, routes: set[Row]) -> None:
        """Gives each route its row; the same routes get the same rows in every process."""
        room = (self._slot_cells - HEAD_CELLS) // ROW_CELLS - 1
        if len(routes) > room:
            raise ValueError(f"{len(routes)} routes, and room for {room}")
        self._rows = {route: number for number, route in enumerate([UNMATCHED, *sorted(routes)])}

    def count(self, row: Row, status: int, seconds: float) -> None:
        """One request answered."""
        begin, cells = self._base + self._offset(row if row in self._rows else UNMATCHED), self._cells
        buckets = begin + len(STATUSES)
        cells[begin + STATUS_CELLS.get(status, len(STATUSES) - 1)] += 1
        cells[buckets + bisect_left(BUCKETS, seconds)] += 1
        cells[buckets + len(BUCKETS)] += seconds

    def connected(self, role: str, change: int) -> None:
        """One socket more or less."""
        self._cells[self._base + ROLES.index(role)] += change

    def sockets(self) -> dict[str, int]:
        """How many sockets there are, by role."""
        return {role: int(self._sum(number)) for number, role in enumerate(ROLES)}

    def let_through(self, limit: str) -> None:
        """One request that this limit could not count: it has passed."""
        self._cells[self._base + len(ROLES) + LIMITS.index(limit)] += 1

    def uncounted(self) -> dict[str, int]:
        """How many requests have passed uncounted, by limit."""
        return {limit: int(self._sum(len(ROLES) + number)) for number, limit in enumerate(LIMITS)}

    def refused(self, reason: str) -> None:
        """One new order refused without any work."""
        self._cells[self._base + len(ROLES) + len(LIMITS) + REFUSALS.index(reason)] += 1

    def refusals(self) -> dict[str, int]:
        """How many new orders were refused without any work, by reason."""
        begin = len(ROLES) + len(LIMITS)
        return {reason: int(self._sum(begin + number)) for number, reason in enumerate(REFUSALS)}

    def rows(self) -> Iterator[tuple[Row, dict[int, int], list[int], float]]:
        """For each route that was asked: requests by status, by bucket, and all their seconds."""
        for row in self._rows:
            begin = self._offset(row)
            cells = [self._sum(begin + number) for number in range(ROW_CELLS)]
            statuses = {status: int(n) for status, n in zip(STATUSES, cells, strict=False) if n}
            if statuses:
                yield row, statuses, [int(n) for n in cells[len(STATUSES) : -1]], cells[-1]

    def _offset(self, row: Row) -> int:
        return HEAD_CELLS + self._rows[row] * ROW_CELLS

    def _sum(self, number: int) -> float:
        return sum(self._cells[slot * self._slot_cells + number] for slot in range(self._slots))


board = Board()


def _begin() -> None:
    g.begun = time.perf_counter()


def _end(response: Response) -> Response:
    rule = request.url_rule
    row = (request.method, rule.rule) if rule else UNMATCHED
    board.count(row, response.status_code, time.perf_counter() - g.begun)
    return response


def register(app: Flask) -> None:
    """Counts every request that reaches the application; to be called before other hooks are added."""
    app.before_request(_begin)
    app.after_request(_end)
    app.extensions["traffic"] = board


def lay_out(app: Flask) -> None:
    """To be called once all routes are there."""
    board.lay_out({(m, rule.rule) for rule in app.url_map.iter_rules() for m in rule.methods or ()})
