"""Cases `capacity`, `cost` and `idle` of `make bench`: see `tools.bench.open_loop`."""

import time
from collections.abc import Sequence

from tools.bench import cpu, open_loop
from tools.bench.city import City
from tools.bench.course import Course
from tools.bench.figures import Round, Row, costs
from tools.bench.loop import Loop
from tools.bench.sockets import Heard, connect

RATES = (50, 100, 200)
DRIVERS = 100


def cost(course: Course, rates: Sequence[int] = RATES) -> list[Row]:
    """What an order costs, and how long answers and offers take, at each rate (orders/s)."""
    loop = Loop()
    city = City(course.site, loop)
    city.wait_until_ready()
    rows = [
        course.repeat(
            "cost",
            f"{rate} orders/s",
            lambda _, rate=rate: open_loop.step(city, rate, course.seconds).round(),  # type: ignore[misc]
        )
        for rate in rates
    ]
    loop.close()
    return rows


def capacity(course: Course) -> list[Row]:
    """The highest rate that is served well."""
    loop = Loop()
    city = City(course.site, loop)
    city.wait_until_ready()
    known = open_loop.FIRST_RATE

    def one(_: int) -> Round:
        nonlocal known
        found, steps = open_loop.capacity(city, course.seconds, known or open_loop.FIRST_RATE, course.say)
        known = found
        return Round({"capacity": (found, "orders/s")}, {"steps": steps})

    row = course.repeat("capacity", "independent arrivals", one)
    loop.close()
    return [row]


def idle(course: Course) -> list[Row]:
    """The sweeps, heartbeats and Flower: CPU time a second while nobody orders, without and with drivers."""
    loop = Loop()

    def one(_: int) -> Round:
        before = cpu.seconds(course.site.kinds)
        loop.run(time.monotonic() + course.seconds)
        used = cpu.since(before, cpu.seconds(course.site.kinds))
        return Round(costs({kind: used[kind] / course.seconds for kind in used}, 1, "s"))

    rows = [course.repeat("idle", "nobody connected", one)]
    tokens = [course.people.token("driver", sub) for sub in course.people.register("IDLE", DRIVERS)]
    connect(loop, course.site.web_port, tokens, Heard())
    rows.append(course.repeat("idle", f"{DRIVERS} connected drivers", one))
    loop.close()
    return rows
