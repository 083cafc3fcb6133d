"""What the parts can do on this machine in this run: empty POST, empty task, the same rows, a search."""

import json
import re
import subprocess
import time
from pathlib import Path

from redis import Redis

from bench import cpu
from bench.course import Course
from bench.crew import DRIVERS, WAVE
from bench.figures import Round, Row, costs, latencies
from bench.http import request
from bench.people import DRIVERS_KM, PICKUPS_KM
from bench.placing import repeated
from bench.queues import QUEUES
from local import binaries

SCRIPT = Path(__file__).parent / "order_rows.sql"
PGBENCH_CLIENTS = 8
TASKS_A_SECOND = 400
# Fewer are over before the worker is known to be there.
LEAST_TASKS = 2400
TOKENS = 500
GEO_KEY = "bench:geo"
RADIUS_KM = 5
# The first tasks meet a worker that is not warm, the last one child without work.
EDGE_SHARE = 0.1


def all_of_them(course: Course) -> list[Row]:
    """Every ceiling, one row each, after what the system uses while nobody asks anything."""
    return [idle(course), *posts(course), *tasks(course), rows_of_an_order(course), geosearch(course)]


def idle(course: Course) -> Row:
    """The sweeps, heartbeats and Flower: CPU time a second, spread over however few orders come."""

    def one(_: int) -> Round:
        before = cpu.seconds(course.site.kinds)
        time.sleep(course.seconds)
        used = cpu.since(before, cpu.seconds(course.site.kinds))
        return Round(costs({kind: used[kind] / course.seconds for kind in used}, 1, "s"))

    return course.repeat("idle", "nobody connected", one)


def posts(course: Course) -> list[Row]:
    """POSTs to an application that does nothing, and to one that checks the token, at 16 connections."""
    token = course.people.token
    checked = [request("/checked", token("customer", f"empty-{n}"), b"{}") for n in range(TOKENS)]
    with course.site.empty_web() as (port, head):

        def measure(name: str, requests: list[bytes]) -> Row:
            return course.repeat(
                "ceiling", name, lambda _: repeated(course, {"web": [head]}, port, requests, "POST")
            )

        return [
            measure("empty POST", [request("/empty", "", b"{}")]),
            measure("POST with token check", checked),
        ]


def tasks(course: Course) -> list[Row]:
    """Tasks that do nothing: published by one process into a waiting queue, then run by a worker like
    `orders`; with Celery's own settings, and with the product's. The CPU time of a task is that of
    publishing, Redis and the worker.
    """
    count = max(LEAST_TASKS, int(TASKS_A_SECOND * course.seconds))
    return [
        course.repeat("ceiling", "empty task", lambda _: _tasks(course, "plain", count)),
        course.repeat("ceiling", "empty task, our settings", lambda _: _tasks(course, "ours", count)),
    ]


def _tasks(course: Course, name: str, count: int) -> Round:
    queue = QUEUES[name]
    with Redis.from_url(course.site.valkey.url) as client:
        redis_only = {"redis": course.site.kinds["redis"]}
        before = cpu.seconds(redis_only)
        publishing, used = map(float, course.site.python("-m", "bench.empty_task", name, str(count)).split())
        published = cpu.since(before, cpu.seconds(redis_only))["redis"]
        with course.site.empty_worker(queue) as head:
            kinds = {"worker": [head], **redis_only}
            while client.llen(queue) > (1 - EDGE_SHARE) * count:
                time.sleep(0.002)
            before, begun, left = cpu.seconds(kinds), time.monotonic(), client.llen(queue)
            while (now_left := client.llen(queue)) > EDGE_SHARE * count:
                time.sleep(0.002)
            ran, seconds = left - now_left, time.monotonic() - begun
            running = cpu.since(before, cpu.seconds(kinds))
            while client.llen(queue):
                time.sleep(0.01)
    spent = {
        "publishing": used / count,
        "redis": published / count + running["redis"] / ran,
        "worker": running["worker"] / ran,
    }
    rates = {"published": (count / publishing, "tasks/s"), "rate": (ran / seconds, "tasks/s")}
    return Round(rates | costs(spent, 1, "task"), {"tasks": count})


def rows_of_an_order(course: Course) -> Row:
    """The rows of an order with ten offers in the same transactions, by `pgbench`, prepared."""
    with course.site.database("pgbench") as url:
        course.people.register("PGBENCH", DRIVERS, url)
        command: list[str | Path] = [binaries.postgres() / "pgbench", "-n", "-M", "prepared", "-f", SCRIPT]
        command += ["-c", str(PGBENCH_CLIENTS), "-T", str(max(1, round(course.seconds)))]
        for name, value in _texts().items():
            command += ["-D", f"{name}={value}"]
        command.append(url)
        return course.repeat("ceiling", "pgbench of the same rows", lambda _: _pgbench(course, command))


def _pgbench(course: Course, command: list[str | Path]) -> Round:
    kinds = {"postgres": course.site.kinds["postgres"]}
    before = cpu.seconds(kinds)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"pgbench failed: {done.stderr[-2000:]}")
    used = cpu.since(before, cpu.seconds(kinds))
    used.pop(cpu.CLIENT)
    count = int(re.findall(r"transactions actually processed: (\d+)", done.stdout)[0])
    values = {
        "rate": (float(re.findall(r"tps = ([\d.]+)", done.stdout)[0]), "orders/s"),
        "latency average": (float(re.findall(r"latency average = ([\d.]+)", done.stdout)[0]), "ms"),
    }
    return Round(values | costs(used, count), {"orders": count})


def _texts() -> dict[str, str]:
    """As long as the product's: the answer, what the audit says of a wave, the messages of a wave."""
    truck, place = "0" * 36, {"coordinates": {"latitude": 28.5355, "longitude": 77.391}, "address": "Noida"}
    offer = {"orderId": truck, "truckRequestId": truck, "pickup": place, "drop": place, "farePerTruck": 500}
    offer |= {
        "routePoints": [place, place],
        "distanceKm": 25,
        "pickupDistanceKm": 1.234,
        "vehicleType": "TRUCK",
    }
    told = [
        {"person": f"driver:bench-{n}", "kind": "new_broadcast", "data": offer, "key": truck}
        for n in range(WAVE)
    ]
    asked = [{"driverId": f"bench-{n}", "truckRequestId": truck, "distanceKm": 1.234} for n in range(WAVE)]
    answer = {
        "order": offer | {"customerId": truck, "createdAt": truck},
        "truckRequests": [offer],
        "summary": place,
    }
    return {
        # pgbench would take what follows the colon for a variable.
        "vehicle": "truck:pgbench",
        "answer": json.dumps(answer),
        "event": json.dumps({"wave": 1, "radiusKm": RADIUS_KM, "drivers": asked}),
        "box_body": json.dumps({"messages": told, "changed_drivers": []}),
    }


def geosearch(course: Course) -> Row:
    """Redis' own search for the ten nearest of twenty drivers, one after the other on one connection."""
    places = [course.people.place(DRIVERS_KM) for _ in range(DRIVERS)]
    pickups = [course.people.place(PICKUPS_KM) for _ in range(TOKENS)]

    def one(_: int) -> Round:
        with Redis.from_url(course.site.valkey.url) as client:
            for number, (latitude, longitude) in enumerate(places):
                client.geoadd(GEO_KEY, (longitude, latitude, f"driver-{number}"))
            took = _searches(course, client, pickups)
            client.delete(GEO_KEY)
        return Round({"rate": (len(took) / sum(took), "searches/s")} | latencies("search", took))

    return course.repeat("ceiling", "GEOSEARCH, 10 of 20 drivers", one)


def _searches(course: Course, client: "Redis", pickups: list[tuple[float, float]]) -> list[float]:
    took: list[float] = []
    end = time.perf_counter() + min(2.0, course.seconds)
    while (begun := time.perf_counter()) < end:
        latitude, longitude = pickups[len(took) % len(pickups)]
        client.geosearch(
            GEO_KEY,
            longitude=longitude,
            latitude=latitude,
            radius=RADIUS_KM,
            unit="km",
            sort="ASC",
            count=WAVE,
            withdist=True,
        )
        took.append(time.perf_counter() - begun)
    return took
