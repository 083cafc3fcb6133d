"""Case (e): a thousand, five thousand, ten thousand connected drivers with a position every 5 s each, and
beside them (b) at a given pace, (a) at its peak, and (b) at half of that.
"""

import struct
import time
from functools import partial
from pathlib import Path
from random import Random

from redis import Redis

from bench import cpu, placing
from bench.course import Course
from bench.figures import Round, Row, latencies, percentile
from bench.loop import Loop
from bench.sockets import DriverSocket, Heard, connect

LEVELS = (1_000, 5_000, 10_000)
EVERY_SECONDS = 5.0
# Drivers report in turn, so many groups in the 5 s: phones do not report a hundred at the same moment.
GROUPS = 500
# One driver of every so many groups is looked for in the index until the new position is there.
PROBES_EVERY = 10
LOOK_SECONDS = 0.005
SETTLE_SECONDS = 6.0
# As fast as orders go beside them, and how long until those have ended.
PEAK_CONNECTIONS = 64
END_SECONDS = 15.0
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


def crowds(course: Course, pace: float, levels: tuple[int, ...] = LEVELS) -> list[Row]:
    """(e) at each level, and meanwhile (b) at ``pace`` orders a second and at half of what goes there."""
    loop = Loop()
    crowd, empty = Crowd(course, loop), _memory(course)
    rows = []
    for level in levels:
        course.say(f"e  connecting up to {level} drivers")
        crowd.grow(level)
        loop.run(time.monotonic() + SETTLE_SECONDS)
        kilobytes = (_memory(course) - empty) / level
        rows.append(
            course.repeat("e", f"{level} drivers", partial(_round, course, loop, crowd, kilobytes, pace))
        )
    loop.close()
    course.settle()
    return rows


def _round(course: Course, loop: Loop, crowd: Crowd, kilobytes: float, pace: float, _: int) -> Round:
    crowd.lags.clear()
    sent, before, begun = crowd.sent, cpu.seconds(course.site.kinds), time.monotonic()
    loop.run(begun + max(LEAST_SECONDS, course.seconds))
    elapsed, used = time.monotonic() - begun, cpu.since(before, cpu.seconds(course.site.kinds))
    sent = crowd.sent - sent
    alone = list(crowd.lags)
    crowd.lags.clear()
    meanwhile = placing.paced(course, pace, loop)
    servers = sum(used.values()) - used[cpu.CLIENT]
    values = {
        "memory of web": (kilobytes, "KB/connection"),
        "positions": (sent / elapsed, "positions/s"),
        "cores, servers": (servers / elapsed, "cores"),
        "cores, client": (used[cpu.CLIENT] / elapsed, "cores"),
        "CPU of a position": (1000 * servers / max(sent, 1), "ms"),
    }
    values |= latencies("lag", alone) | {"lag with (b), p99": (1000 * percentile(crowd.lags, 0.99), "ms")}
    values |= _offers("(b)", meanwhile)
    loop.run(time.monotonic() + END_SECONDS)
    fastest = placing.placed(course, PEAK_CONNECTIONS, "CROWDED", loop=loop)[0]
    peak = fastest.values["rate"][0]
    values["(a) meanwhile"] = (peak, "orders/s")
    loop.run(time.monotonic() + END_SECONDS)
    at_half = placing.paced(course, placing.SHARE_OF_PEAK * peak, loop)
    values |= _offers("(b) at half of that", at_half)
    # The next round's positions are measured beside no end of orders.
    loop.run(time.monotonic() + END_SECONDS)
    counts = {"looked for": len(alone), "sockets closed": crowd.heard.closed}
    for name, found in {"(b)": meanwhile, "(a)": fastest, "(b) at half": at_half}.items():
        counts |= {f"{name} {what}": count for what, count in found.counts.items()}
    return Round(values, counts)


def _offers(name: str, measured: Round) -> dict[str, tuple[float, str]]:
    return {f"{name} {what}": value for what, value in measured.values.items() if "offer" in what}


def _memory(course: Course) -> float:
    """Memory that the web processes have for themselves, in KB."""
    return sum(_anonymous(pid) for pid in cpu.pids(course.site.processes["web"].pid))


def _anonymous(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
