"""What the operators' map shows, measured on what it draws."""

import math
import random
import re
import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Literal

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests import scenes
from tests.e2e.console import Visit, visit
from tests.system import Person, System, on_duty, until

# The map for the tests alone, and when each mark of a free driver was first drawn at its place, by the clock.
MAP_KEPT = """
L.Map.addInitHook(function () { window.theMap = this; });
// Where a place is on the map, and on the page, not rounded to whole pixels.
window.pointOf = (place) => theMap.project(place).subtract(theMap.getPixelBounds().min);
window.onPage = (place) => {
    const { x, y } = document.querySelector("canvas.traffic").getBoundingClientRect();
    return [x + pointOf(place).x, y + pointOf(place).y];
};
"""
NOTE_MARKS = """
    window.marks = new Map();
    const arc = CanvasRenderingContext2D.prototype.arc;
    CanvasRenderingContext2D.prototype.arc = function (x, y, radius, ...angles) {
        const key = `${x.toFixed(1)} ${y.toFixed(1)} ${radius}`;
        if (!window.marks.has(key)) window.marks.set(key, performance.timeOrigin + performance.now());
        return arc.call(this, x, y, radius, ...angles);
    };
"""
DRAWN_AT = """([places, radius]) => {
    const marks = [...window.marks].map(([key, at]) => [...key.split(" ").map(Number), at]);
    return places.map((place) => {
        const { x, y } = pointOf(place);
        const near = (mark) => mark[2] === radius && Math.hypot(mark[0] - x, mark[1] - y) < 1;
        return Math.min(...marks.filter(near).map((mark) => mark[3]));
    });
}"""
DELHI, SAN_FRANCISCO = (28.6139, 77.2090), (37.7749, -122.4194)
LEAST_CONTRAST = 3.0


def kept(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text() + MAP_KEPT)


@pytest.fixture
def console(browser: Browser, system: System) -> Iterator[Visit]:
    with visit(browser, system.urls[0]) as opened:
        opened.page.context.add_init_script(NOTE_MARKS)
        opened.page.route("**/leaflet.js", kept)
        yield opened
        opened.page.unroute_all(behavior="ignoreErrors")


def shows(page: Page, seen: dict[str, list[dict[str, Any]]]) -> None:
    """Has every overview say that this is on the map."""

    def answer(route: Route) -> None:
        found = route.fetch()
        whole = found.json()
        whole["data"]["map"] |= seen
        route.fulfill(response=found, json=whole)

    page.route("**/api/v1/ops/overview", answer)


def driver(
    number: int, place: tuple[float, float], state: str = "available", hours: float = 0
) -> dict[str, Any]:
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - hours * 3600))
    return {"id": f"d{number}", "state": state, "latitude": place[0], "longitude": place[1], "at": at}


def in_delhi(number: int) -> tuple[float, float]:
    return DELHI[0] + (number % 10) / 50, DELHI[1] + (number // 10) / 50


def test_a_far_driver_leaves_the_view_to_the_city_and_has_a_chip_that_goes_there(console: Visit) -> None:
    page = console.page
    city = [driver(number, in_delhi(number)) for number in range(100)]
    others = [driver(100, SAN_FRANCISCO), driver(101, (0.0, -30.0), "unavailable", hours=25)]
    shows(page, {"drivers": [*city, *others], "orders": []})
    console.open()
    chips = page.get_by_role("group", name="Areas")
    expect(chips.get_by_role("button")).to_have_text(["Delhi 100", "San Francisco 1"])
    # Zooms are whole numbers, so a view is up to twice as wide as what it fits.
    view = page.evaluate("""() => {
        const [one, other] = [pointOf([28.6139, 77.2090]),
            pointOf([28.7939, 77.3890])];
        const { x, y } = theMap.getSize();
        return Math.max(Math.abs(other.x - one.x) / x, Math.abs(other.y - one.y) / y);
    }""")
    assert 0.4 <= view <= 1
    chips.get_by_role("button", name=re.compile("San Francisco")).click()
    assert page.evaluate("(place) => theMap.getBounds().contains(place)", SAN_FRANCISCO)
    page.get_by_role("button", name="Show everything").click()
    assert page.evaluate("theMap.getZoom()") >= 1
    page.wait_for_timeout(500)
    far, gone = (
        page.evaluate(DRAWN_AT, [[SAN_FRANCISCO], 4])[0],
        page.evaluate(DRAWN_AT, [[(0.0, -30.0)], 2])[0],
    )
    assert far < math.inf
    assert gone == math.inf, "who went home a day ago is drawn"


@pytest.mark.long
@pytest.mark.timed
def test_a_reported_position_is_drawn_within_one_and_a_half_seconds(
    console: Visit, system: System, name: str
) -> None:
    rows, rounds, chance = 40, 5, random.Random(7)
    drivers = [on_duty(system.urls[0], f"{name}-{row}", vehicle=("TRUCK", name)) for row in range(rows)]
    console.open()
    page = console.page
    expect(page.locator("#connection")).to_have_text("Connected")
    page.evaluate("theMap.setView([10.15, 65.15], 11)")

    def place(row: int, turn: int) -> tuple[float, float]:
        return 10 + row * 0.0075, 65 + turn * 0.03

    for row, person in enumerate(drivers):
        report(person, place(row, 0))
    page.wait_for_timeout(3000)
    reported = []
    for turn in range(1, rounds + 1):
        # In one order, so that no driver's next position comes before the last one could be drawn.
        for row in range(rows):
            # Not asleep: what the page asks for passes through this process.
            page.wait_for_timeout(chance.uniform(0, 150))
            reported.append((place(row, turn), time.time() * 1000))
            report(drivers[row], place(row, turn))
    page.wait_for_timeout(4000)
    drawn = page.evaluate(DRAWN_AT, [[place for place, _ in reported], 4])
    lost = [place for at, (place, _) in zip(drawn, reported, strict=True) if at == math.inf]
    assert lost == []
    took = sorted(at - since for at, (_, since) in zip(drawn, reported, strict=True))
    p50, p95 = took[len(took) // 2], took[int(len(took) * 0.95)]
    print(f"{len(took)} positions drawn: p50 {p50:.0f} ms, p95 {p95:.0f} ms, at most {took[-1]:.0f} ms")
    assert p95 <= 1500


def report(person: Person, place: tuple[float, float]) -> None:
    here = {"latitude": place[0], "longitude": place[1]}
    answer = person.http.post("/drivers/me/locations", json={"locations": [here]})
    assert answer.status_code == 200, answer.text


def search(number: int, chance: random.Random) -> dict[str, Any]:
    here = {"latitude": DELHI[0] + chance.uniform(0, 0.2), "longitude": DELHI[1] + chance.uniform(0, 0.2)}
    return {
        "id": f"o{number}",
        "trucksFilled": 0,
        "totalTrucks": 1,
        "radiusKm": chance.choice((5, 10, 15, 30, 50)),
        "pickup": {"coordinates": here},
    }


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_forty_searches_leave_a_drivers_mark_three_times_as_bright_or_dark_as_its_ground(
    browser: Browser, system: System, theme: Literal["light", "dark"]
) -> None:
    chance = random.Random(11)
    states = ("available", "busy", "on_trip", "silent")
    drivers = [driver(number, in_delhi(number), states[number % 4]) for number in range(100)]
    with visit(browser, system.urls[0], theme=theme) as console:
        page = console.page
        page.route("**/leaflet.js", kept)
        shows(page, {"drivers": drivers, "orders": [search(number, chance) for number in range(40)]})
        console.open()
        expect(page.locator("#connection")).to_have_text("Connected")
        page.wait_for_timeout(4000)
        console.see(f"searches-{theme}")
        seen = Image.open(BytesIO(page.screenshot())).convert("RGB")
        places = page.evaluate("(places) => places.map(onPage)", [in_delhi(number) for number in range(100)])
        page.unroute_all(behavior="ignoreErrors")
    assert len(places) == 100
    for shown, place in zip(drivers, places, strict=True):
        found = contrast_around(seen, place[0], place[1], shown["state"])
        assert found >= LEAST_CONTRAST, (shown, found)


def contrast_around(seen: Image.Image, x: float, y: float, state: str) -> float:
    """The least contrast on four sides between what is best seen of a mark and what lies beside it."""
    # In pixels from the mark's middle.
    beside = {"available": 5, "busy": 6, "on_trip": 5, "silent": 4}[state]

    def at(right: int, down: int) -> tuple[int, int, int]:
        return pixel(seen, math.floor(x + right), math.floor(y + down))

    return min(
        max(contrast(at(right * off, down * off), at(right * beside, down * beside)) for off in range(beside))
        for right, down in ((1, 0), (-1, 0), (0, 1), (0, -1))
    )


def pixel(seen: Image.Image, x: int, y: int) -> tuple[int, int, int]:
    found = seen.getpixel((x, y))
    assert isinstance(found, tuple)
    return found[0], found[1], found[2]


def contrast(colour: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """WCAG 2.2, contrast ratio."""
    darker, brighter = sorted((luminance(colour), luminance(other)))
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: tuple[int, int, int]) -> float:
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (part / 255 for part in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.long
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_an_order_stands_beside_the_map_with_what_it_is_and_its_trucks_track_on_it(
    browser: Browser, system: System, name: str, size: tuple[int, int]
) -> None:
    won = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    answer = Person(system.urls[0], "customer", name).order(scenes.body(vehicle=("TRUCK", name)))
    order_id = answer.json()["data"]["order"]["id"]
    truck = won.http.post(f"/orders/{order_id}/accept", json={}).json()["data"]["trip"]["truckRequestId"]
    way = [(28.56, 77.36), (28.59, 77.28)]
    for place in way:
        report(won, place)
        time.sleep(1.1)
    operator = Person(system.urls[0], "ops", name)
    until(lambda: len(operator.http.get(f"/trips/{truck}/track").json()["data"]["points"]) == len(way), 30)
    with visit(browser, system.urls[0], size) as console:
        page = console.page
        page.route("**/leaflet.js", kept)
        console.open()
        console.row(order_id).get_by_role("button").click()
        panel = page.get_by_role("dialog", name="Order")
        for fact in ("Noida", "Delhi", f"TRUCK {name}, ₹500 each", "furniture", "800 kg", "DL 1 AB"):
            expect(panel).to_contain_text(fact)
        assert not overlap(panel.bounding_box(), page.locator("#map").bounding_box())
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        middle = [(way[0][part] + way[1][part]) / 2 for part in (0, 1)]
        page.wait_for_timeout(1500)
        page.locator("#map").scroll_into_view_if_needed()
        x, y = page.evaluate("onPage", middle)
        seen = Image.open(BytesIO(page.screenshot())).convert("RGB")
        red, _, blue = pixel(seen, math.floor(x), math.floor(y))
        assert blue - red > 60, "the track is not drawn"
        console.see(f"order-on-the-map-{size[0]}")
        page.unroute_all(behavior="ignoreErrors")


def overlap(box: Any, other: Any) -> bool:
    return bool(
        box["x"] < other["x"] + other["width"]
        and other["x"] < box["x"] + box["width"]
        and box["y"] < other["y"] + other["height"]
        and other["y"] < box["y"] + box["height"]
    )


@pytest.mark.long
def test_the_own_truck_of_a_person_who_plays_stands_once(console: Visit) -> None:
    page = console.page

    def players(route: Route) -> None:
        found = route.fetch()
        whole = found.json()
        drivers = whole["data"]["map"]["drivers"]
        whole["data"]["map"]["drivers"] = [driver for driver in drivers if driver["id"].startswith("play-")]
        route.fulfill(response=found, json=whole)

    page.route("**/api/v1/ops/overview", players)
    console.open()
    page.get_by_role("tab", name="Play with it").click()
    expect(page.locator("#driver-state")).to_have_text("connected")
    page.get_by_role("button", name="Choose places for me").click()
    truck = page.locator(".place.truck")
    expect(truck).to_have_count(1)
    here = page.evaluate("""() => {
        let found;
        theMap.eachLayer((layer) => {
            if (layer.options.icon?.options.className === "place truck") found = layer;
        });
        return [found.getLatLng().lat, found.getLatLng().lng];
    }""")
    page.wait_for_timeout(3000)
    assert page.evaluate(DRAWN_AT, [[here], 4]) == [math.inf]
    page.get_by_role("tab", name="Watch").click()
    expect(truck).to_have_count(0)
