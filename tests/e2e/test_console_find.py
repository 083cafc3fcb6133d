"""Finding in the console: the search, links to orders and drivers, keys, CSV, and what needs attention."""

import csv
import io
import re
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import text

from models import db, live
from tests import scenes
from tests.e2e.console import Visit, violations, visit
from tests.system import Person, System, on_duty
from workers.drivers import tracking
from workers.drivers.tracking import Way

NARROW = (390, 800)


def trip(system: System, name: str) -> tuple[Person, str]:
    """A driver who has won an order, and its id."""
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    customer = Person(system.urls[0], "customer", name)
    order_id = customer.order(scenes.body(vehicle=("TRUCK", name))).json()["data"]["order"]["id"]
    won = driver.http.post(f"/orders/{order_id}/accept", json={})
    for step in ("en_route_pickup", "at_pickup", "in_transit"):
        path = f"/trips/{won.json()['data']['truckRequestId']}/status"
        assert driver.http.post(path, json={"status": step}).status_code == 200
    return driver, order_id


def silence(driver: Person, minutes: int) -> None:
    """Nothing was heard of them for so long."""
    live.commands().delete(f"driver:{driver.sub}")
    with db.transaction() as connection:
        values = {"id": driver.sub, "minutes": minutes}
        for statement in (
            "UPDATE drivers SET last_latitude = 28.5, last_longitude = 77.3,"
            " last_position_at = now() - :minutes * interval '1 minute' WHERE id = :id",
            "UPDATE truck_requests SET assigned_at = now() - :minutes * interval '1 minute',"
            " updated_at = now() - :minutes * interval '1 minute' WHERE driver_id = :id",
        ):
            connection.execute(text(statement), values)


def saved(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save these orders as CSV").click()
    return list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))


@pytest.mark.long
def test_an_order_and_its_driver_are_found_and_the_address_opens_them_again(
    browser: Browser, system: System, name: str
) -> None:
    driver, order_id = trip(system, name)
    with visit(browser, system.urls[0]) as console:
        page = console.page
        expect(page.locator("#connection")).to_have_text("Connected")
        page.keyboard.press("/")
        page.keyboard.type(driver.sub)
        page.keyboard.press("Enter")
        expect(page.locator("#order-rows tr")).to_have_count(1)
        expect(console.row(order_id)).to_contain_text("in progress")
        page.locator("#found-drivers").get_by_role("button").click()
        dialogue = page.locator("#person")
        expect(dialogue).to_contain_text("on a trip")
        expect(dialogue).to_contain_text("+911234567890")
        expect(dialogue.locator("#person-offers")).to_contain_text("accepted")
        assert page.url.endswith(f"/console#driver/{name}")
        dialogue.get_by_role("button", name=f"Order {order_id[-6:]}").first.click()
        expect(page.locator("#order-id")).to_contain_text(order_id)
        expect(dialogue).to_be_hidden()
        page.reload()
        expect(page.locator("#order-id")).to_contain_text(order_id)
        page.get_by_role("button", name="Close", exact=True).click()
        expect(page.locator("#order")).to_be_hidden()
        assert page.url.endswith("/console")


@pytest.mark.long
@pytest.mark.parametrize(("kind", "panel"), [("order", "#order-result"), ("driver", "#person-result")])
def test_an_address_of_nothing_is_said_and_the_page_stays_connected(
    browser: Browser, system: System, kind: str, panel: str
) -> None:
    with visit(browser, system.urls[0]) as console:
        page = console.page
        expect(page.locator("#connection")).to_have_text("Connected")
        page.goto(f"{console.url}/console#{kind}/nobody")
        expect(page.locator(panel)).to_contain_text("There is no such")
        # Two looks of the page later.
        page.wait_for_timeout(2200)
        expect(page.locator("#connection")).to_have_text("Connected")
        expect(page.locator("#health")).to_be_hidden()
        console.wrong = [message for message in console.wrong if "404" not in message]


@pytest.mark.long
def test_an_order_whose_truck_is_given_back_while_its_track_is_asked_for_is_shown(
    browser: Browser, system: System, name: str
) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    customer = Person(system.urls[0], "customer", name)
    order_id = customer.order(scenes.body(vehicle=("TRUCK", name))).json()["data"]["order"]["id"]
    truck = driver.http.post(f"/orders/{order_id}/accept", json={}).json()["data"]["truckRequestId"]
    answers = []

    def give_back(route: Route) -> None:
        answers.append(driver.http.post(f"/trips/{truck}/cancel", json={"reason": "A tyre is flat."}))
        route.continue_()

    with visit(browser, system.urls[0]) as console:
        page = console.page
        expect(page.locator("#connection")).to_have_text("Connected")
        page.route(f"**/trips/{truck}/track", give_back, times=1)
        with page.expect_response(f"**/trips/{truck}/track") as track:
            page.goto(f"{console.url}/console#order/{order_id}")
        assert (answers[0].status_code, track.value.status) == (200, 404)
        expect(page.locator("#order-id")).to_contain_text(order_id)
        expect(page.locator("#timeline")).to_contain_text("gave the truck back")


@pytest.mark.long
def test_keys_move_along_the_list_and_its_filter_is_saved_as_csv(
    browser: Browser, system: System, name: str
) -> None:
    ids = []
    for number in range(3):
        customer = Person(system.urls[0], "customer", f"{name}-{number}")
        place = {"latitude": 28.5, "longitude": 77.3, "address": f'=1+1, "Gate" {name}'}
        answer = customer.order(scenes.body(pickup=place, vehicle=("TRUCK", name)))
        ids.append(answer.json()["data"]["order"]["id"])
    with visit(browser, system.urls[0]) as console:
        page = console.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        expect(page.locator("#connection")).to_have_text("Connected")
        page.get_by_text("More", exact=True).click()
        page.get_by_label("Vehicle").fill(f"TRUCK/{name}")
        page.keyboard.press("Enter")
        expect(page.locator("#order-rows tr")).to_have_count(3)
        page.locator("#orders-title").focus()
        for key, shown in (("j", ids[2]), ("j", ids[1]), ("j", ids[0]), ("j", ids[0]), ("k", ids[1])):
            page.keyboard.press(key)
            assert page.evaluate("document.activeElement.textContent") == shown[-6:]
        rows = saved(page)
        assert [row["id"] for row in rows] == ids[::-1]
        assert rows[0]["from"] == f'\'=1+1, "Gate" {name}'
        page.keyboard.press("Enter")
        page.locator(f"tr[data-order='{ids[1]}'] button").focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name=f"Copy {ids[1]}").click()
        assert page.evaluate("navigator.clipboard.readText()") == ids[1]


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_silent_driver_with_a_load_needs_attention_and_all_of_it_fits_a_phone(
    browser: Browser, system: System, name: str, theme: Literal["light", "dark"]
) -> None:
    driver, order_id = trip(system, name)
    silence(driver, 7)
    with visit(browser, system.urls[0], size=NARROW, theme=theme) as console:
        page = console.page
        item = page.locator("#attention").get_by_role("button", name=f"{name.title()}, DL 1 AB 1234")
        expect(item).to_contain_text("silent for 7 minutes with a load")
        page.get_by_text("More", exact=True).click()
        page.locator("#search").fill(name)
        page.keyboard.press("Enter")
        expect(page.locator("#found-drivers")).to_be_visible()
        fits(console, f"find-{theme}")
        page.locator("#found-drivers").get_by_role("button").click()
        expect(page.locator("#person-facts")).to_contain_text("Last heard")
        fits(console, f"driver-{theme}")
        page.keyboard.press("Escape")
        item.click()
        expect(page.locator("#order-id")).to_contain_text(order_id)
        fits(console, f"order-of-trip-{theme}")


@pytest.mark.long
def test_a_truck_that_does_not_move_on_the_road_needs_attention(
    browser: Browser, system: System, name: str
) -> None:
    driver, order_id = trip(system, name)
    silence(driver, 20)
    with db.statements() as connection:
        (truck,) = connection.execute(
            text("SELECT id FROM truck_requests WHERE driver_id = :id"), {"id": name}
        ).one()
    tracking.record({Way(str(truck), name): [(scenes.now_ms() - 18 * 60_000, 28.5, 77.3, 0)]})
    driver.http.post("/drivers/me/locations", json={"locations": [{"latitude": 28.5, "longitude": 77.3}]})
    with visit(browser, system.urls[0]) as console:
        item = console.page.locator("#attention").get_by_role("button", name=f"{name.title()}, DL 1 AB 1234")
        expect(item).to_have_text(re.compile("has not moved for 15 minutes with a load$"))
        item.click()
        expect(console.page.locator("#order-id")).to_contain_text(order_id)


def fits(console: Visit, name: str) -> None:
    console.see(name)
    assert violations(console.page) == []
    sizes: Any = console.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert sizes[0] <= sizes[1]
