"""Case `nearest`: the ten nearest of 10 thousand, 100 thousand, a million drivers, dense and sparse, beside
GEOSEARCH with the same answer.

Both are asked for the same points from one process and through the same client, by chance the one or the
other first, and answer with ids and distances in order.
"""

import time
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from redis import Redis, RedisError

from models import geo, live, settings
from models.live import BREAK_SECONDS, driver_index, driver_search
from models.live.driver_index import Placement, Position
from models.live.driver_search import Nearby
from tools.bench.course import Course
from tools.bench.figures import Round, Row, latencies
from tools.bench.site import pointed_at

SIZES = (10_000, 100_000, 1_000_000)
K = 10
# At least so many, and as many as go in the time: the p99 of 500 by one way is the fifth from the top.
LEAST = 1_000
MOST = 10_000
SECONDS = 8.0
# The sweeps of the running system would remove drivers that have been silent for a minute.
ASIDE = 9
GEO_KEY = "bench:geo"
BATCH = 1_000
# A driver that was put in at the beginning is searched for minutes later.
PRESENCE_MS = 24 * 3_600_000
# Redis' own radius of the earth: its distances are longer by 0.03 %.
REDIS_RADIUS_KM = 6372.797560856
# GEOSEARCH keeps positions to 52 bits and says distances to a tenth of a metre.
SAME_KM = 0.002


@dataclass(frozen=True)
class Land:
    """Where drivers are: a rectangle around a middle (degrees), and how far a search looks (km)."""

    name: str
    middle: tuple[float, float]
    north: float
    east: float
    radius_km: float

    def place(self, random: Random) -> tuple[float, float]:
        """Somewhere in it."""
        return (
            self.middle[0] + random.uniform(-self.north, self.north),
            self.middle[1] + random.uniform(-self.east, self.east),
        )


# A city of 30 by 30 km with the first wave's radius, a country with the last wave's.
LANDS = (
    Land("dense", (28.6139, 77.2090), 0.135, 0.154, 5),
    Land("sparse", (22.0, 79.0), 9.0, 9.0, 50),
)


def searches(course: Course, sizes: tuple[int, ...] = SIZES) -> list[Row]:
    """A row for each size and land, in a database of Redis of its own."""
    rows = []
    with pointed_at(course.site, ASIDE), Redis.from_url(settings.load().redis_url) as geo_client:
        for land in LANDS:
            geo_client.flushdb()
            random, here = Random(1), 0
            for size in sizes:
                course.say(f"nearest  putting {size - here} drivers in, {land.name}")
                _fill(land, range(here, size), random, geo_client)
                here = size
                rows.append(course.repeat("nearest", f"{size} drivers, {land.name}", partial(_round, land)))
        geo_client.flushdb()
    return rows


def _vehicle(land: Land) -> str:
    return driver_index.vehicle_key("TRUCK", land.name)


def _fill(land: Land, numbers: range, random: Random, geo_client: "Redis") -> None:
    """Puts drivers in by the product's own way, and the same ones into a GEO set."""
    now = int(time.time() * 1000)
    for first in range(numbers.start, numbers.stop, BATCH):
        puts: list[Placement] = []
        members: list[Any] = []
        for number in range(first, min(first + BATCH, numbers.stop)):
            latitude, longitude = land.place(random)
            position = Position(latitude, longitude, now)
            puts.append(Placement(f"driver-{number}", _vehicle(land), position, now, now * 1000))
            members += (longitude, latitude, f"driver-{number}")
        _put(puts)
        geo_client.geoadd(GEO_KEY, members)


def _put(puts: list[Placement]) -> None:
    """Again, if a busy machine holds Redis up for longer than the product waits."""
    while True:
        try:
            driver_index.place_all(puts)
        except RedisError:
            time.sleep(BREAK_SECONDS)
        else:
            return


def _round(land: Land, number: int) -> Round:
    random = Random(number)
    times: dict[str, list[float]] = {"ours": [], "GEOSEARCH": []}
    different = failed = 0
    end = time.monotonic() + SECONDS
    for search in range(MOST):
        if search >= LEAST and time.monotonic() > end:
            break
        point = land.place(random)
        ways = [("ours", _ours), ("GEOSEARCH", _geosearch)]
        random.shuffle(ways)
        found = {}
        try:
            for name, ask in ways:
                begun = time.perf_counter()
                found[name] = ask(land, point)
                times[name].append(time.perf_counter() - begun)
        except RedisError:
            failed += 1
            time.sleep(BREAK_SECONDS)
            continue
        ours, theirs = ([near.distance_km for near in found[name]] for name in ("ours", "GEOSEARCH"))
        different += not _same(ours, theirs, land)
    values = latencies("ours", times["ours"]) | latencies("GEOSEARCH", times["GEOSEARCH"])
    for share in ("p50", "p99"):
        ratio = values[f"ours {share}"][0] / values[f"GEOSEARCH {share}"][0]
        values[f"ours to GEOSEARCH, {share}"] = (ratio, "times")
    counts = {"searches": len(times["ours"]), "different answers": different, "failed": failed}
    return Round(values, counts)


def _ours(land: Land, point: tuple[float, float]) -> list[Nearby]:
    question = driver_search.Question(_vehicle(land), *point, land.radius_km, K)
    return driver_search.nearest([question], int(time.time() * 1000), PRESENCE_MS)[0]


def _geosearch(land: Land, point: tuple[float, float]) -> list[Nearby]:
    """Redis' own answer, in its km."""
    found: Any = live.commands().geosearch(
        GEO_KEY,
        longitude=point[1],
        latitude=point[0],
        radius=land.radius_km,
        unit="km",
        sort="ASC",
        count=K,
        withdist=True,
    )
    return [Nearby(driver_id, float(km)) for driver_id, km in found]


def _same(ours: list[float], theirs: list[float], land: Land) -> bool:
    """Whether both found drivers at the same distances (km). One at the very edge may be in one only."""
    scaled = [km * geo.EARTH_RADIUS_KM / REDIS_RADIUS_KM for km in theirs]
    both = min(len(ours), len(scaled))
    alike = all(abs(own - other) < SAME_KM for own, other in zip(ours[:both], scaled[:both], strict=True))
    edge = land.radius_km * geo.EARTH_RADIUS_KM / REDIS_RADIUS_KM - SAME_KM
    return alike and all(km > edge for km in (*ours[both:], *scaled[both:]))
