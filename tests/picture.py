"""Draws docs/console.png from the real page: a morning in Delhi on a system of its own.

Usage: python -m tests.picture
"""

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests import scenes
from tests.conftest import ROOT, own_stores
from tests.e2e.console import launch, visit
from tests.system import Person, System, running

PICTURE = ROOT / "docs" / "console.png"
SIZE = (1280, 900)
COLOURS = 128
DRIVERS = 160
PLACES = {
    "Connaught Place": (28.6315, 77.2167),
    "Karol Bagh": (28.6514, 77.1907),
    "Dwarka": (28.5921, 77.0460),
    "Noida": (28.5355, 77.3910),
    "Rohini": (28.7361, 77.1133),
    "Saket": (28.5245, 77.2066),
    "Ghaziabad": (28.6692, 77.4538),
    "Gurugram": (28.4595, 77.0266),
}
TRIP = ("en_route_pickup", "at_pickup", "in_transit")
# A wave later, so that circles of more than one size are seen.
WAIT_MS = 13_000
# Nobody drives this one, so its search goes on.
RARE = ("TRUCK", "OPEN_19FT")


def _driver(system: System, number: int, chance: random.Random) -> Person:
    """A driver near one of the places, mostly on duty."""
    driver = Person(system.urls[0], "driver", f"driver-{number:03}")
    latitude, longitude = chance.choice(list(PLACES.values()))
    here = {"latitude": chance.gauss(latitude, 0.03), "longitude": chance.gauss(longitude, 0.03)}
    driver.http.put(
        "/drivers/me",
        json={
            "name": f"Driver {number}",
            "phone": "+911234567890",
            "vehicleType": "TRUCK",
            "vehicleSubtype": "TATA_ACE",
            "vehicleNumber": f"DL 1 AB {1000 + number}",
        },
    )
    driver.http.put("/drivers/me/availability", json={"available": chance.random() < 0.9})
    driver.http.post("/drivers/me/locations", json={"locations": [here]})
    return driver


def _order(system: System, number: int, chance: random.Random, vehicle: tuple[str, str]) -> str:
    pickup, drop = chance.sample(sorted(PLACES), 2)
    body = scenes.body(vehicle=vehicle, trucks=chance.choice((1, 1, 2))) | {
        name: {"latitude": PLACES[place][0], "longitude": PLACES[place][1], "address": place}
        for name, place in (("pickup", pickup), ("drop", drop))
    }
    answer = Person(system.urls[0], "customer", f"customer-{number}").order(body)
    return str(answer.json()["data"]["order"]["id"])


def _drive(driver: Person, steps: int) -> None:
    """Accepts the first offer, if there is one, and drives so many steps."""
    offers = driver.http.get("/drivers/me/broadcasts").json()["data"]["broadcasts"]
    if not offers:
        return
    won = driver.http.post(f"/orders/{offers[0]['orderId']}/accept", json={})
    for status in TRIP[:steps] if won.status_code == 200 else ():
        truck = won.json()["data"]["truckRequestId"]
        driver.http.post(f"/trips/{truck}/status", json={"status": status})


def _morning(system: System) -> None:
    """Drivers, orders that find some of them, and searches that go on."""
    chance = random.Random(5)
    drivers = [_driver(system, number, chance) for number in range(DRIVERS)]
    for number in range(20):
        _order(system, number, chance, ("TRUCK", "TATA_ACE"))
    for driver in drivers:
        _drive(driver, chance.randrange(4))
    for number in range(20, 25):
        _order(system, number, chance, RARE)


@contextmanager
def studio() -> Iterator[tuple[System, Browser]]:
    """A system of its own and a browser, for the time of the block."""
    with (
        own_stores("weelo-picture-") as stores,
        tempfile.TemporaryDirectory() as logs,
        sync_playwright() as playwright,
        running(stores.environment, Path(logs)) as system,
    ):
        yield system, launch(playwright)


def main() -> None:
    with studio() as (system, browser):
        _morning(system)
        with visit(browser, system.urls[0], SIZE) as console:
            console.page.wait_for_timeout(WAIT_MS)
            console.page.get_by_role("button", name="Show everything").click()
            console.page.wait_for_timeout(1000)
            seen = Image.open(BytesIO(console.page.screenshot()))
        Person.forget_all()
    seen.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
