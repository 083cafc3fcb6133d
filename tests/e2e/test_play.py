"""Play with it: a newcomer orders and drives on one page, over the real socket."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.e2e.console import violations, visit
from tests.system import System

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
