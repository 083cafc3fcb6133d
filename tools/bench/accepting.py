"""Case `accepts`: from a driver's accept to their `trip_assigned` while three others hold the offer."""

import json
import time
from typing import Any

from tools.bench import cpu
from tools.bench.arrivals import Arrivals, evenly
from tools.bench.course import Course
from tools.bench.crew import until_indexed
from tools.bench.figures import Round, Row, costs, latencies
from tools.bench.http import Record
from tools.bench.loop import Loop
from tools.bench.people import DRIVERS_KM
from tools.bench.sockets import DriverSocket, Heard, connect

# Each order has drivers of its own, since a driver who has won is busy.
DRIVERS_AN_ORDER = 4
ACCEPTS_A_SECOND = 20
LAST_SECONDS = 10.0
ASSIGNED = b'"trip_assigned"'
OFFER = b'"new_broadcast"'


def accepts(course: Course) -> list[Row]:
    """20 accepts a second."""
    return [course.repeat("accepts", f"{ACCEPTS_A_SECOND} accepts/s", lambda _: _round(course))]


class _Races:
    """The first of an order's drivers to get the offer accepts; when each accept and each answer came."""

    def __init__(self) -> None:
        self.accepted: dict[str, float] = {}
        self.seconds: list[float] = []

    def take(self, driver: DriverSocket, frame: bytes, now: float) -> None:
        if OFFER in frame:
            order = _data(frame)["orderId"]
            if order not in self.accepted:
                self.accepted[order] = now
                driver.send("accept_broadcast", orderId=order)
        elif ASSIGNED in frame:
            self.seconds.append(now - self.accepted[_data(frame)["orderId"]])


def _data(frame: bytes) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(frame)["data"]
    return data


def _round(course: Course) -> Round:
    loop, record, races, people = Loop(), Record(), _Races(), course.people
    count, name = round(ACCEPTS_A_SECOND * course.seconds), f"D_{time.time_ns()}"
    subtypes = [f"{name}_{number}" for number in range(count)]
    subs = [sub for subtype in subtypes for sub in people.register(subtype, DRIVERS_AN_ORDER)]
    requests = iter([next(people.orders(subtype)) for subtype in subtypes])
    tokens = [people.token("driver", sub) for sub in subs]
    for driver in connect(loop, course.site.web_port, tokens, Heard(), races.take):
        latitude, longitude = people.place(DRIVERS_KM)
        driver.report(latitude, longitude)
    until_indexed(course, loop, subtypes, len(subs))
    arrivals = Arrivals(loop, course.site.web_port, record, lambda: next(requests))
    before, begun = cpu.seconds(course.site.kinds), time.monotonic()
    arrivals.schedule(evenly(begun, ACCEPTS_A_SECOND, count))
    loop.run(begun + course.seconds)
    arrivals.finish(time.monotonic() + LAST_SECONDS)
    loop.run(time.monotonic() + LAST_SECONDS, lambda: len(races.seconds) == count)
    used = cpu.since(before, cpu.seconds(course.site.kinds))
    loop.close()
    course.settle()
    values = latencies("trip_assigned", races.seconds) | costs(used, count)
    counts = {"orders": count, "accepted": len(races.accepted), "assigned": len(races.seconds)}
    return Round(values, counts | {"statuses": dict(record.statuses)})
