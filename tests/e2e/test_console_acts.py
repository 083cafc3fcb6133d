"""Acting in the console: each action by mouse or by keyboard, confirmed, and with its reason in the audit."""

from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import scenes
from tests.e2e.console import Visit, visit
from tests.e2e.test_console import tab_to
from tests.e2e.test_console_find import NARROW, fits, trip
from tests.system import Person, System, on_duty

WIDE = (1440, 900)
REASON = "phone dead since noon"


def act(page: Page, label: str, driver: str = "") -> None:
    """Presses a button, writes the reason and confirms, all with the mouse."""
    page.get_by_role("button", name=label).click()
    if driver:
        page.get_by_label("Id of the next driver").fill(driver)
    page.get_by_label("Reason").fill(REASON)
    page.locator("#act-yes").click()
    expect(page.locator("#act")).to_be_hidden()


def opened(console: Visit, order_id: str) -> Page:
    page = console.page
    expect(page.locator("#connection")).to_have_text("Connected")
    page.goto(f"{console.url}/console#order/{order_id}")
    expect(page.locator("#order-id")).to_contain_text(order_id)
    return page


def ordered(system: System, name: str) -> str:
    answer = Person(system.urls[0], "customer", name).order(scenes.body(vehicle=("TRUCK", name)))
    return str(answer.json()["data"]["order"]["id"])


def events(system: System, order_id: str) -> dict[str, Any]:
    story = Person(system.urls[0], "ops", "olga").http.get(f"/ops/orders/{order_id}?limit=100").json()["data"]
    return {event["type"]: event["data"] for event in story["events"]}


@pytest.mark.long
@pytest.mark.parametrize(
    ("label", "event"),
    [
        ("Complete the trip", "trip_status_changed"),
        ("Close the trip", "trip_closed"),
        ("Take the truck off", "truck_taken_off"),
        ("Hand over", "truck_handed_over"),
    ],
)
def test_a_loaded_trip_is_ended_or_given_to_another_by_mouse(
    browser: Browser, system: System, name: str, label: str, event: str
) -> None:
    driver, order_id = trip(system, name)
    other = on_duty(system.urls[0], f"{name}-next", vehicle=("TRUCK", name))
    with visit(browser, system.urls[0], size=WIDE) as console:
        page = opened(console, order_id)
        act(page, f"{label}: {name.title()}", other.sub if label == "Hand over" else "")
        expect(page.locator("#order-result")).not_to_be_empty()
        expect(page.locator("#timeline")).to_contain_text(REASON)
    recorded = events(system, order_id)[event]
    assert (recorded["operator"], recorded["reason"]) == ("console", REASON)
    assert driver.http.get("/drivers/me").json()["data"]["currentTrip"] is None


@pytest.mark.long
def test_a_search_is_extended_and_its_order_cancelled_with_the_keyboard_alone(
    browser: Browser, system: System, name: str
) -> None:
    order_id = ordered(system, name)
    with visit(browser, system.urls[0], size=WIDE) as console:
        page = opened(console, order_id)
        for label, done in (
            ("Search 60 s longer", "The search has 60 s more."),
            ("Cancel the order", "The order is cancelled."),
        ):
            tab_to(page, label)
            page.keyboard.press("Enter")
            expect(page.locator("#act")).to_be_visible()
            # Nothing is done without a reason, nor after Escape.
            page.keyboard.press("Enter")
            page.keyboard.press("Escape")
            expect(page.locator("#act")).to_be_hidden()
            page.keyboard.press("Enter")
            page.keyboard.type(REASON)
            page.keyboard.press("Enter")
            expect(page.locator("#order-result")).to_have_text(done)
        expect(page.get_by_role("button", name="Cancel the order")).to_be_disabled()
    assert events(system, order_id)["order_cancelled"]["reason"] == REASON


@pytest.mark.long
@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_refusal_stays_in_the_form_and_everything_fits(
    browser: Browser, system: System, name: str, theme: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    _, order_id = trip(system, name)
    with visit(browser, system.urls[0], size=size, theme=theme) as console:
        page = opened(console, order_id)
        fits(console, f"acts-{theme}-{size[0]}")
        page.get_by_role("button", name=f"Hand over: {name.title()}").click()
        page.get_by_label("Id of the next driver").fill("nobody")
        page.get_by_label("Reason").fill(REASON)
        page.locator("#act-yes").click()
        expect(page.locator("#act-error")).to_contain_text("Refused: ")
        fits(console, f"act-form-{theme}-{size[0]}")
        page.get_by_role("button", name="No, go back").click()
        console.wrong = [message for message in console.wrong if "404" not in message]


@pytest.mark.long
def test_the_console_says_why_nobody_takes_an_order(browser: Browser, system: System, name: str) -> None:
    on_duty(system.urls[0], name, vehicle=("TRUCK", f"{name}x"))
    order_id = ordered(system, name)
    with visit(browser, system.urls[0], size=WIDE) as console:
        page = opened(console, order_id)
        page.get_by_role("button", name="Why nobody?").click()
        answer = page.locator("#why-answer")
        expect(answer).to_contain_text(f"0 drivers drive TRUCK/{name}")
        expect(answer).to_contain_text("Within 5 km: 0 drivers to ask; left out:")
        fits(console, "why-nobody")


@pytest.mark.long
def test_a_driver_is_put_off_duty(browser: Browser, system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    with visit(browser, system.urls[0], size=WIDE) as console:
        expect(console.page.locator("#connection")).to_have_text("Connected")
        console.page.goto(f"{console.url}/console#driver/{name}")
        act(console.page, f"Put off duty: {name.title()}")
        expect(console.page.locator("#person-facts")).to_contain_text("off duty")
        expect(console.page.locator("#person-acts button")).to_be_disabled()
    assert driver.http.get("/drivers/me").json()["data"]["driver"]["available"] is False
