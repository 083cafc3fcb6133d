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
ON_TRIPS = (
    ("Complete the trip", "trip_status_changed", "The trip is completed."),
    ("Close the trip", "trip_closed", "The trip is closed."),
    ("Take the truck off", "truck_taken_off", "The truck is searched for again."),
    ("Hand over", "truck_handed_over", "The trip is handed over."),
)


class Mouse:
    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, label: str) -> None:
        self.page.get_by_role("button", name=label).click()

    def write(self, field: str, text: str) -> None:
        self.page.get_by_label(field).click()
        self.page.keyboard.type(text)

    def confirm(self, label: str) -> None:
        self.page.locator("dialog:modal .primary").click()


class Keyboard(Mouse):
    """Whatever has the focus is reached with Tab alone."""

    def press(self, label: str) -> None:
        tab_to(self.page, label, most=150)
        self.page.keyboard.press("Enter")

    def write(self, field: str, text: str) -> None:
        expect(self.page.get_by_label(field)).to_be_focused()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Tab")

    def confirm(self, label: str) -> None:
        self.press(label)


def act(hand: Mouse, label: str, whose: str = "", driver: str = "") -> None:
    """Presses a button, writes the reason and confirms."""
    hand.press(f"{label}: {whose}" if whose else label)
    if driver:
        hand.write("Id of the next driver", driver)
    hand.write("Reason", REASON)
    hand.confirm(label)
    expect(hand.page.locator("#act")).to_be_hidden()
    assert hand.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


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


def acts_on_a_search(hand: Mouse, console: Visit, system: System, name: str) -> None:
    order_id = ordered(system, name)
    page = opened(console, order_id)
    result = page.locator("#order-result")
    act(hand, "Search 60 s longer")
    expect(result).to_have_text("The search has 60 s more.")
    # The first wave may be so young that no other is sent.
    for label, done in (("Ask again", "asked"), ("End search", "The search is over.")):
        hand.press(label)
        hand.confirm(label)
        expect(page.locator("#confirm")).to_be_hidden()
        expect(result).to_contain_text(done)
    told = events(system, order_id)
    assert told["search_extended"]["reason"] == REASON
    assert told["expiry_ordered"]["operator"] == "console"
    cancelled = ordered(system, name)
    opened(console, cancelled)
    act(hand, "Cancel the order")
    expect(result).to_have_text("The order is cancelled.")
    expect(page.get_by_role("button", name="Cancel the order")).to_be_disabled()
    assert events(system, cancelled)["order_cancelled"]["reason"] == REASON


def acts_on_a_trip(
    hand: Mouse, console: Visit, system: System, name: str, label: str, event: str, done: str
) -> None:
    driver, order_id = trip(system, name)
    other = on_duty(system.urls[0], f"{name}-next", vehicle=("TRUCK", name)) if label == "Hand over" else None
    page = opened(console, order_id)
    act(hand, label, name.title(), other.sub if other else "")
    expect(page.locator("#order-result")).to_have_text(done)
    expect(page.locator("#timeline")).to_contain_text(REASON)
    recorded = events(system, order_id)[event]
    assert (recorded["operator"], recorded["reason"]) == ("console", REASON)
    assert driver.http.get("/drivers/me").json()["data"]["currentTrip"] is None


def acts_on_a_driver(hand: Mouse, console: Visit, system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    page = console.page
    page.goto(f"{console.url}/console#driver/{name}")
    act(hand, "Put off duty", name.title())
    expect(page.locator("#person-facts")).to_contain_text("off duty")
    expect(page.locator("#person-acts button")).to_be_disabled()
    assert driver.http.get("/drivers/me").json()["data"]["driver"]["available"] is False


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("hand_of", [Mouse, Keyboard])
@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_act_of_an_operator(
    browser: Browser,
    system: System,
    name: str,
    theme: Literal["light", "dark"],
    size: tuple[int, int],
    hand_of: type[Mouse],
) -> None:
    with visit(browser, system.urls[0], size=size, theme=theme) as console:
        hand = hand_of(console.page)
        acts_on_a_search(hand, console, system, name)
        for number, (label, event, done) in enumerate(ON_TRIPS):
            acts_on_a_trip(hand, console, system, f"{name}{number}", label, event, done)
        acts_on_a_driver(hand, console, system, f"{name}d")


@pytest.mark.long
def test_nothing_is_done_without_a_reason_nor_after_escape(
    browser: Browser, system: System, name: str
) -> None:
    order_id = ordered(system, name)
    with visit(browser, system.urls[0], size=WIDE) as console:
        page = opened(console, order_id)
        tab_to(page, "Cancel the order")
        page.keyboard.press("Enter")
        expect(page.locator("#act")).to_be_visible()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        expect(page.locator("#act")).to_be_hidden()
        expect(page.get_by_role("button", name="Cancel the order")).to_be_focused()
    assert "order_cancelled" not in events(system, order_id)


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
