"""Cases (a), (b) and (c): orders placed, offers on the drivers' sockets, known keys asked again."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import cycle, islice

from bench import cpu
from bench.arrivals import Arrivals, evenly
from bench.course import Course
from bench.crew import WAVE, Crew
from bench.figures import Round, Row, costs, latencies
from bench.http import Connection, Record
from bench.loop import Loop
from bench.sockets import Heard

CONNECTIONS = (1, 8, 16, 32, 64)
# How many requests are made ready for each second of load; more are made while it runs.
READY_A_SECOND = 900
# Answers and offers that are still on their way when the load ends.
LAST_SECONDS = 10.0
LAST_OFFERS_SECONDS = 2.0
SHARE_OF_PEAK = 0.5
REPLAY_CONNECTIONS = 16


def ready(orders: Iterator[bytes], seconds: float) -> Callable[[], bytes]:
    """A supply of requests, most of them made before the load begins."""
    made = deque(islice(orders, int(READY_A_SECOND * seconds)))
    return lambda: made.popleft() if made else next(orders)


def placed(
    course: Course, connections: int, name: str, seconds: float = 0.0, loop: Loop | None = None
) -> tuple[Round, list[bytes]]:
    """One round of (a): as fast as so many connections go; and the requests that were sent.

    In a loop where others are served too if one is given, and then without the end of the orders.
    """
    own, loop, subtype = loop is None, loop or Loop(), f"{name}_{time.time_ns()}"
    crew, record = Crew(course, loop, subtype), Record()
    supply, sent = ready(course.people.orders(subtype), seconds or course.seconds), []
    end = 0.0

    def free(line: Connection, now: float) -> None:
        if now < end:
            sent.append(supply())
            line.send(sent[-1], now)

    lines = [Connection(loop, course.site.web_port, record, free) for _ in range(connections)]
    before, begun = cpu.seconds(course.site.kinds), time.monotonic()
    end = begun + (seconds or course.seconds)
    crew.work(end)
    for line in lines:
        free(line, begun)
    loop.run(end)
    _finish(loop, lines, record, crew.heard)
    used = cpu.since(before, cpu.seconds(course.site.kinds))
    elapsed = record.last - begun
    orders = record.statuses[201]
    values = {"rate": (orders / elapsed, "orders/s")} | latencies("201", record.seconds) | costs(used, orders)
    values |= _offers(record, crew.heard)
    values["client's share of a core"] = (100 * used[cpu.CLIENT] / elapsed, "%")
    if own:
        loop.close()
        values |= _ended(course, orders)
    else:
        crew.leave()
        for line in lines:
            loop.remove(line)
    return Round(values, _counts(record, crew.heard)), sent


def _ended(course: Course, orders: int) -> dict[str, tuple[float, str]]:
    ended, ending = course.settle()
    used = sum(ending.values()) - ending[cpu.CLIENT]
    return {
        "CPU of the end, servers": (1000 * used / max(orders, 1), "ms/order"),
        "the end": (ended, "s"),
    }


def rates(course: Course, levels: tuple[int, ...] = CONNECTIONS) -> list[Row]:
    """(a) at several numbers of connections, after a round that nobody counts."""
    placed(course, 8, "WARM", min(2.0, course.seconds))
    return [rate(course, level) for level in levels]


def rate(course: Course, level: int) -> Row:
    """(a) at one number of connections."""
    return course.repeat("a", f"{level} connections", lambda _: placed(course, level, f"A{level}")[0])


def peak(course: Course, rows: list[Row]) -> float:
    """The best median rate among the rows of (a), in orders a second; measured if there is none."""
    if not any(row.case == "a" for row in rows):
        rows += rates(course, (16,))
    return max(row.figures["rate"].median for row in rows if row.case == "a")


def offers(course: Course, pace: float) -> Row:
    """(b): from sending to the first and the last offer, at a fixed pace of orders a second."""
    return course.repeat("b", f"{pace:.0f} orders/s", lambda _: paced(course, pace))


def paced(course: Course, pace: float, loop: Loop | None = None) -> Round:
    """One round of (b), in a loop where others are served too if one is given."""
    own, loop, subtype = loop is None, loop or Loop(), f"B_{time.time_ns()}"
    crew, record = Crew(course, loop, subtype), Record()
    arrivals = Arrivals(
        loop, course.site.web_port, record, ready(course.people.orders(subtype), course.seconds)
    )
    before, begun = cpu.seconds(course.site.kinds), time.monotonic()
    arrivals.schedule(evenly(begun, pace, int(pace * course.seconds)))
    crew.work(begun + course.seconds)
    loop.run(begun + course.seconds)
    arrivals.finish(time.monotonic() + LAST_SECONDS)
    _hear_the_rest(loop, record, crew.heard)
    used = cpu.since(before, cpu.seconds(course.site.kinds))
    crew.leave()
    arrivals.close()
    if own:
        loop.close()
        course.settle()
    return Round(_times(record, crew.heard) | costs(used, record.statuses[201]), _counts(record, crew.heard))


def replays(course: Course) -> Row:
    """(c): keys that were answered a moment ago, from their own customers, at 16 connections."""

    def one(_: int) -> Round:
        known = placed(course, REPLAY_CONNECTIONS, "C", min(2.0, course.seconds))[1]
        return repeated(course, course.site.kinds, course.site.web_port, known)

    return course.repeat("c", f"{REPLAY_CONNECTIONS} connections", one)


def repeated(
    course: Course, kinds: cpu.Kinds, port: int, requests: list[bytes], what: str = "replay"
) -> Round:
    """One round of the same requests again and again, as fast as 16 connections go; ``kinds`` are the
    processes whose CPU time counts.
    """
    loop, record, supply = Loop(), Record(), cycle(requests)
    end = 0.0

    def free(line: Connection, now: float) -> None:
        if now < end:
            line.send(next(supply), now)

    lines = [Connection(loop, port, record, free) for _ in range(REPLAY_CONNECTIONS)]
    before, begun = cpu.seconds(kinds), time.monotonic()
    end = begun + course.seconds
    for line in lines:
        free(line, begun)
    loop.run(end)
    _finish(loop, lines, record, Heard())
    used, elapsed = cpu.since(before, cpu.seconds(kinds)), record.last - begun
    loop.close()
    values = {"rate": (record.statuses[201] / elapsed, f"{what}s/s")} | latencies(what, record.seconds)
    values["client's share of a core"] = (100 * used[cpu.CLIENT] / elapsed, "%")
    counts = {"statuses": dict(record.statuses), "replayed": record.replayed, "cut": record.cut}
    return Round(values | costs(used, record.answers, what), counts)


def _finish(loop: Loop, lines: list[Connection], record: Record, heard: Heard) -> None:
    """Waits for the answers and the offers that are still on their way."""
    deadline = time.monotonic() + LAST_SECONDS
    loop.run(deadline, lambda: not any(line.busy for line in lines))
    _hear_the_rest(loop, record, heard)


def _hear_the_rest(loop: Loop, record: Record, heard: Heard) -> None:
    deadline = time.monotonic() + LAST_OFFERS_SECONDS
    if heard.offers:
        loop.run(deadline, lambda: heard.offers >= WAVE * record.statuses[201])


def _offers(record: Record, heard: Heard) -> dict[str, tuple[float, str]]:
    wanted = WAVE * max(record.statuses[201], 1)
    return {"offers delivered": (100 * heard.offers / wanted, "%")} | _times(record, heard)


def _times(record: Record, heard: Heard) -> dict[str, tuple[float, str]]:
    """From sending to the first and to the last offer of each order whose whole wave came."""
    first = [heard.first[order] - since for order, since in record.sent.items() if order in heard.first]
    whole = [
        heard.latest[order] - since for order, since in record.sent.items() if heard.counts.get(order) == WAVE
    ]
    return latencies("first offer", first) | latencies("last offer", whole)


def _counts(record: Record, heard: Heard) -> dict[str, object]:
    return {
        "statuses": dict(record.statuses),
        "offers": heard.offers,
        "whole waves": sum(count == WAVE for count in heard.counts.values()),
        "cut": record.cut,
        "sockets closed": heard.closed,
    }
