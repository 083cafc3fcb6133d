"""What a newcomer does with a fresh `make run`: opens the page, wakes the city, orders, and drives."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Response, expect

from tests.e2e.console import Visit, visit
from tests.e2e.test_play import drive
from tests.launched import launched
from tests.scenes import body
from tests.system import Person
from tools.demo.control import Demo

OVERVIEW = "/api/v1/ops/overview"
# A city that has begun is on its way after this long, on a machine with other work too.
AWAKE_WITHIN_MS = 60_000
LOOKS = 30


class Watched:
    """Where each driver was in every overview that the page has had."""

    def __init__(self, console: Visit) -> None:
        self.places: dict[str, set[tuple[float, float]]] = {}
        console.page.on("response", self._take)

    def _take(self, response: Response) -> None:
        if response.url.endswith(OVERVIEW) and response.status == 200:
            drivers: list[dict[str, Any]] = response.json()["data"]["map"]["drivers"]
            for driver in drivers:
                self.places.setdefault(driver["id"], set()).add((driver["latitude"], driver["longitude"]))

    @property
    def moved(self) -> int:
        return sum(len(places) > 1 for places in self.places.values())


# A start from nothing, a city, and 20 s that it leaves to people.
@pytest.mark.timeout(300)
@pytest.mark.long
def test_a_fresh_system_from_the_first_look_to_the_end_of_a_trip_among_the_city(browser: Browser) -> None:
    with launched() as system:
        with visit(browser, system.url) as console:
            _wake_the_city(console)
            _order_and_drive(console)
        _order_with_a_robo_driver(system.url)
        city = Demo(system.notes)
        assert city.status()["url"] == system.url
        # The contract of a stop: ten seconds, whatever lives on the system.
        assert system.stop() < 10
        assert city.status() == {"state": "stopped"}
        assert not system.answers()
        assert "sending the simulated city home" in system.log.read_text()
        assert (system.notes / "robo/0.log").read_text().endswith("off duty\n")


def _order_with_a_robo_driver(url: str) -> None:
    """One who is still on duty when the system is stopped. (Of a vehicle that the city does not have.)"""
    robo = {"X-Weelo-Test": "expire"}
    asha = Person(url, "customer", "asha")
    assert asha.http.post("/orders", json=body(vehicle=("VAN", "ROBO")), headers=robo).status_code == 201


def _wake_the_city(console: Visit) -> None:
    page = console.page
    expect(page.locator("#connection")).to_have_text("Connected")
    expect(page.get_by_text("No order of this kind yet.")).to_be_visible()
    assert console.figure("available") == 0
    console.see("first-1-fresh")
    watched = Watched(console)
    page.get_by_role("tab", name="Play with it").click()
    button = page.locator("#city-button")
    button.click()
    expect(button).to_have_text("Stop the city", timeout=AWAKE_WITHIN_MS)
    expect(page.locator("#city-figures")).to_contain_text("200 drivers", timeout=AWAKE_WITHIN_MS)
    canvas = page.locator("canvas.traffic")
    seen = canvas.screenshot()
    page.wait_for_timeout(3000)
    assert canvas.screenshot() != seen
    for _ in range(LOOKS):
        # Its answers are heard while the page is waited for.
        page.wait_for_timeout(1000)
        if watched.moved >= 50:
            break
    assert watched.moved >= 50, "the drivers stand still"
    console.see("first-2-awake")


def _order_and_drive(console: Visit) -> None:
    page = console.page
    map_ = page.locator("#map")
    map_.click(position={"x": 380, "y": 260})
    map_.click(position={"x": 470, "y": 330})
    # The first click has moved the driver too: an order faster than a person's would overtake that position.
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Order two trucks").click()
    # The city's customers reach this driver too. If the position is late, the second wave reaches it.
    offer = page.locator("#offers li").filter(has_text="₹500")
    expect(offer).to_contain_text(re.compile(r"km to the pickup, ₹500, (60|[45]\d) s left"))
    console.see("first-3-offer")
    offer.get_by_role("button", name="Accept").click()
    expect(page.locator("#driver-news")).to_have_text("The truck is yours.")
    news = page.locator("#customer-news")
    expect(news).to_contain_text("Ravi comes with DL 1 AB 1234")
    drive(page)
    # The other truck is left to people for 20 s; then somebody of the city takes it.
    expect(news).to_contain_text("2 of 2 trucks", timeout=45_000)
    console.see("first-4-driven")
    page.get_by_role("tab", name="Watch").click()
    expect(page.locator("#order-rows")).to_contain_text("in progress")
    console.see("first-5-city")
