"""The closed loop: connections that order again as soon as they are answered. It finds the most that the
system places, which is what overload is measured against.
"""

import time
from collections import deque
from itertools import islice

from tools.bench import cpu
from tools.bench.course import Course
from tools.bench.crew import WAVE, Crew
from tools.bench.figures import Round, costs, latencies
from tools.bench.http import Connection, Record
from tools.bench.loop import Loop
from tools.bench.sockets import Heard

# How many requests are made ready for each second of load; more are made while it runs.
READY_A_SECOND = 900
# Answers and offers that are still on their way when the load ends.
LAST_SECONDS = 10.0
LAST_OFFERS_SECONDS = 2.0


def placed(course: Course, connections: int, name: str, seconds: float, loop: Loop) -> Round:
    """One round as fast as ``connections`` allow."""
    subtype = f"{name}_{time.time_ns()}"
    crew, record = Crew(course, loop, subtype), Record()
    orders = course.people.orders(subtype)
    made = deque(islice(orders, int(READY_A_SECOND * seconds)))
    end = 0.0

    def send_next(connection: Connection, now: float) -> None:
        if now < end:
            connection.send(made.popleft() if made else next(orders), now)

    open_connections = [Connection(loop, course.site.web_port, record, send_next) for _ in range(connections)]
    before, begun = cpu.seconds(course.site.kinds), time.monotonic()
    end = begun + seconds
    crew.work(end)
    for connection in open_connections:
        send_next(connection, begun)
    loop.run(end)
    _finish(loop, open_connections, record, crew.heard)
    used = cpu.since(before, cpu.seconds(course.site.kinds))
    orders_placed = record.statuses[201]
    values = {"rate": (orders_placed / (record.last - begun), "orders/s")}
    values |= latencies("201", record.seconds) | costs(used, orders_placed)
    crew.leave()
    for connection in open_connections:
        loop.remove(connection)
    return Round(values, {"statuses": dict(record.statuses), "offers": crew.heard.offers})


def _finish(loop: Loop, connections: list[Connection], record: Record, heard: Heard) -> None:
    """Waits for the answers and the offers that are still on their way."""
    loop.run(time.monotonic() + LAST_SECONDS, lambda: not any(connection.busy for connection in connections))
    loop.run(time.monotonic() + LAST_OFFERS_SECONDS, lambda: heard.offers >= WAVE * record.statuses[201])
