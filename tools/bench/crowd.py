"""Case `crowd`: 1,000 to 10,000 connected drivers with a position every 5 s each, and orders beside them."""

import struct
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random

from redis import Redis

from tools.bench import cpu, open_loop
from tools.bench.city import City
from tools.bench.course import Course
from tools.bench.figures import Round, Row, latencies
from tools.bench.loop import Loop
from tools.bench.sockets import DriverSocket, Heard, connect

LEVELS = (1_000, 5_000, 10_000)
EVERY_SECONDS = 5.0
# Drivers report in turn, so many groups in the 5 s: phones do not report a hundred at the same moment.
GROUPS = 500
# One driver of every so many groups is looked for in the index until the new position is there.
PROBES_EVERY = 10
LOOK_SECONDS = 0.005
SETTLE_SECONDS = 6.0
# The orders beside them (a second), and how long until those have ended.
RATE = 200.0
END_SECONDS = 5.0
# Positions alone are measured for at least a few of each driver's.
LEAST_SECONDS = 15.0
KM = 40.0
STEP_DEGREES = 5e-4


class Crowd:
    """Connected drivers who report in turn; ``lags`` are the seconds until a position was in the index."""

    def __init__(self, course: Course, loop: Loop) -> None:
        self.heard = Heard()
        self.sockets: list[DriverSocket] = []
        self.sent = 0
        self.lags: list[float] = []
        self._course, self._loop, self._random = course, loop, Random(1)
        self._subs: list[str] = []
        self._places: list[tuple[float, float]] = []
        self._turn = 0
        self._due = 0.0
        self._looked_for: dict[str, tuple[bytes, float]] = {}
        self._redis = Redis.from_url(course.site.valkey.url)
        self._looking = False

    def grow(self, count: int) -> None:
        """Registers and connects more, up to ``count`` drivers in all; they begin to report."""
        if not self._places:
            self._due = time.monotonic()
            self._loop.at(self._due, self._report)
        new = self._course.people.register(f"CROWD_{time.time_ns()}", count - len(self._subs))
        tokens = [self._course.people.token("driver", sub) for sub in new]
        self._places += [self._course.people.place(KM) for _ in new]
        self._subs += new
        self.sockets += connect(self._loop, self._course.site.web_port, tokens, self.heard)

    def _moved(self, place: tuple[float, float]) -> tuple[float, float]:
        """Up to 50 m on, as in 5 s of a city street; a jump would be taken for a broken receiver."""
        return (
            round(place[0] + self._random.uniform(-STEP_DEGREES, STEP_DEGREES), 7),
            round(place[1] + self._random.uniform(-STEP_DEGREES, STEP_DEGREES), 7),
        )

    def _report(self, _: float) -> None:
        # By the clock and not by the last turn: a client that is late must not report less often.
        self._due += EVERY_SECONDS / GROUPS
        self._loop.at(self._due, self._report)
        group, self._turn = self._turn % GROUPS, self._turn + 1
        for number in range(group, len(self.sockets), GROUPS):
            latitude, longitude = self._places[number] = self._moved(self._places[number])
            if not self.sockets[number].gone:
                self.sockets[number].report(latitude, longitude)
                self.sent += 1
                if number == group and group % PROBES_EVERY == 0:
                    self._looked_for[self._subs[number]] = (
                        struct.pack("<dd", latitude, longitude),
                        time.monotonic(),
                    )
        if self._looked_for and not self._looking:
            self._looking = True
            self._loop.at(time.monotonic(), self._look)

    def _look(self, _: float) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for sub in self._looked_for:
                pipe.hget(f"driver:{sub}", "place")
            found = pipe.execute()
        now = time.monotonic()
        for sub, place in zip(list(self._looked_for), found, strict=True):
            if place and place.startswith(self._looked_for[sub][0]):
                self.lags.append(now - self._looked_for.pop(sub)[1])
        self._looking = bool(self._looked_for)
        if self._looking:
            self._loop.at(now + LOOK_SECONDS, self._look)


def crowds(course: Course, rate: float = RATE, levels: Sequence[int] = LEVELS) -> list[Row]:
    """Positions alone at each number of drivers, and beside ``rate`` orders a second."""
    loop = Loop()
    crowd, empty = Crowd(course, loop), _memory(course)
    city = City(course.site, loop)
    rows = []
    for level in levels:
        course.say(f"crowd  connecting up to {level} drivers")
        crowd.grow(level)
        loop.run(time.monotonic() + SETTLE_SECONDS)
        kilobytes = (_memory(course) - empty) / level
        run = partial(_round, course, crowd, city, kilobytes, rate)
        rows.append(course.repeat("crowd", f"{level} drivers", run))
    loop.close()
    return rows


def _round(course: Course, crowd: Crowd, city: City, kilobytes: float, rate: float, _: int) -> Round:
    crowd.lags.clear()
    sent, before, begun = crowd.sent, cpu.seconds(course.site.kinds), time.monotonic()
    city.loop.run(begun + max(LEAST_SECONDS, course.seconds))
    elapsed, used = time.monotonic() - begun, cpu.since(before, cpu.seconds(course.site.kinds))
    sent = crowd.sent - sent
    alone = list(crowd.lags)
    crowd.lags.clear()
    orders = open_loop.step(city, rate, course.seconds).round()
    servers = sum(used.values()) - used[cpu.CLIENT]
    values = {
        "memory of web": (kilobytes, "KB/connection"),
        "positions": (sent / elapsed, "positions/s"),
        "cores, servers": (servers / elapsed, "cores"),
        "cores, client": (used[cpu.CLIENT] / elapsed, "cores"),
        "CPU of a position": (1000 * servers / max(sent, 1), "ms"),
    }
    values |= latencies("lag", alone) | latencies("lag beside orders", crowd.lags)
    values |= {f"{name} meanwhile": value for name, value in orders.values.items() if "CPU" not in name}
    # The next round's positions are measured beside no end of orders.
    city.loop.run(time.monotonic() + END_SECONDS)
    counts = {"looked for": len(alone), "sockets closed": crowd.heard.closed}
    return Round(values, counts | orders.counts)


def _memory(course: Course) -> float:
    """Memory that the web processes have for themselves, in KB."""
    return sum(_anonymous(pid) for pid in cpu.pids(course.site.processes["web"].pid))


def _anonymous(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
