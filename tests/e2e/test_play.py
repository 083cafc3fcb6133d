"""Play with it: a newcomer orders and drives on one page, over the real socket."""

import re
from uuid import uuid4

import httpx
from playwright.sync_api import Browser, Page, expect

from tests import scenes
from tests.e2e.console import violations, visit
from tests.system import Person, System

STEPS = (
    ("Start to the pickup", "en route pickup"),
    ("Arrive at the pickup", "at pickup"),
    ("Load and leave", "in transit"),
    ("Arrive at the drop", "arrived at drop"),
    ("Unload and finish", "completed"),
)


def drive(page: Page) -> None:
    """Drives the trip that was won, step by step, and both of them hear of each."""
    for button, state in STEPS:
        page.get_by_role("button", name=button).click()
        expect(page.locator("#driver-news")).to_have_text(f"Trip: {state}.")
        expect(page.locator("#customer-news")).to_contain_text(f"A truck: {state}.")


def test_a_newcomer_orders_with_clicks_accepts_and_drives_the_trip_to_its_end(
    browser: Browser, system: System
) -> None:
    with visit(browser, system.urls[0]) as console:
        page = console.page
        page.get_by_role("tab", name="Play with it").click()
        expect(page.locator("#customer-state")).to_have_text("connected")
        expect(page.locator("#driver-state")).to_have_text("connected")
        page.locator("#map").click(position={"x": 300, "y": 300})
        page.locator("#map").click(position={"x": 450, "y": 200})
        page.get_by_role("button", name="Order two trucks").click()
        offer = page.locator("#offers li")
        expect(offer).to_contain_text(re.compile(r"km to the pickup, ₹500, (60|5\d) s left"))
        console.see("play-offer")
        assert violations(page) == []
        expect(offer).to_contain_text(re.compile(r"5[0-7] s left"))
        offer.get_by_role("button", name="Accept").click()
        expect(page.locator("#driver-news")).to_have_text("The truck is yours.")
        news = page.locator("#customer-news")
        expect(news).to_contain_text("Ravi comes with DL 1 AB 1234: 1 of 2 trucks.")
        drive(page)
        expect(page.locator("#truck-seen")).to_have_text(re.compile(r"Your truck was seen at -?\d+\.\d{3}, "))
        console.see("play-driven")
        page.get_by_role("tab", name="Watch").click()
        expect(page.locator("#order-rows")).to_contain_text("1 of 2")


def test_a_card_stays_while_it_is_pressed_though_other_offers_come(browser: Browser, system: System) -> None:
    with visit(browser, system.urls[0]) as console:
        page = console.page
        page.get_by_role("tab", name="Play with it").click()
        expect(page.locator("#driver-state")).to_have_text("connected")
        expect(page.locator("#customer-state")).to_have_text("connected")
        page.get_by_role("button", name="Choose places for me").click()
        page.get_by_role("button", name="Order two trucks").click()
        accept = page.locator("#offers li").filter(has_text="₹500").get_by_role("button", name="Accept")
        accept.hover()
        page.mouse.down()
        _another_order(page, system)
        expect(page.locator("#offers li")).to_have_count(2)
        page.mouse.up()
        expect(page.locator("#driver-news")).to_have_text("The truck is yours.")


def _another_order(page: Page, system: System) -> None:
    """Of somebody else, from where the truck of the page stands."""
    driver = page.evaluate("JSON.parse(sessionStorage.getItem('weelo.tokens')).driver")
    known = httpx.get(
        f"{system.urls[0]}/api/v1/drivers/me", headers={"Authorization": f"Bearer {driver}"}
    ).json()["data"]
    here = known["driver"]["lastPosition"]
    pickup = {"latitude": here["latitude"], "longitude": here["longitude"], "address": "beside the truck"}
    other = Person(system.urls[0], "customer", uuid4().hex[:12])
    assert other.order(scenes.body(pickup=pickup, vehicle=("TRUCK", "TATA_ACE"))).status_code == 201
