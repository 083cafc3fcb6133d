"""The operators' page in a real browser on the running system."""

import os
import re
import signal
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests import scenes
from tests.e2e.console import COUNT_FRAMES, PHONE, Visit, violations, visit
from tests.system import Person, System, on_duty, until


@pytest.fixture
def console(browser: Browser, system: System) -> Iterator[Visit]:
    with visit(browser, system.urls[0]) as opened:
        yield opened


def ordered(system: System, name: str, trucks: int = 1) -> tuple[Person, str]:
    """A customer with an order that only drivers of a vehicle of this name are asked for."""
    customer = Person(system.urls[0], "customer", name)
    answer = customer.order(scenes.body(trucks=trucks, vehicle=("TRUCK", name)))
    assert answer.status_code == 201, answer.text
    return customer, answer.json()["data"]["order"]["id"]


def test_drivers_and_an_order_appear_and_the_order_ends(console: Visit, system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    expect(console.page.locator("#connection")).to_have_text("Connected")
    until(lambda: console.figure("available") >= 1)
    customer, order_id = ordered(system, name)
    row = console.row(order_id)
    expect(row).to_contain_text("active")
    expect(row).to_contain_text("0 of 1")
    until(lambda: console.figure("searching") >= 1)
    console.see("live")
    assert driver.http.post(f"/orders/{order_id}/accept", json={}).status_code == 200
    expect(row).to_contain_text("fully filled")
    expect(row).to_contain_text("1 of 1")
    customer.http.post(f"/orders/{order_id}/cancel", json={})
    expect(row).to_contain_text("cancelled")


def test_the_timeline_says_who_was_asked_who_declined_and_who_won(
    console: Visit, system: System, name: str
) -> None:
    near, far = (on_duty(system.urls[0], f"{name}-{km}", km, vehicle=("TRUCK", name)) for km in (1, 3))
    _, order_id = ordered(system, name)
    console.row(order_id).click()
    dialogue = console.page.get_by_role("dialog", name="Order")
    expect(dialogue).to_contain_text("Wave 1: asked 2 drivers within 5 km.")
    expect(dialogue).to_contain_text(f"{near.sub}, 1.0 km away: has not answered yet")
    near.http.post(f"/orders/{order_id}/decline", json={})
    expect(dialogue).to_contain_text(f"{near.sub}, 1.0 km away: declined")
    far.http.post(f"/orders/{order_id}/accept", json={})
    expect(dialogue).to_contain_text(f"{far.sub}, 3.0 km away: won a truck")
    expect(dialogue).to_contain_text(f"{far.sub} won a truck.")
    expect(dialogue.get_by_role("button", name="End search")).to_be_disabled()
    console.see("timeline")
    console.page.keyboard.press("Escape")
    expect(dialogue).to_be_hidden()


def tab_to(page: Page, text: str, most: int = 60) -> None:
    """Presses Tab until the focus is on what is named so."""
    for _ in range(most):
        page.keyboard.press("Tab")
        # Between the last and the first one the body has it, with all that the page says.
        focused = page.evaluate(
            "[document.activeElement].filter((one) => one.matches('button, a, input, select, textarea'))"
            ".map((one) => one.getAttribute('aria-label') ?? one.textContent).join()"
        )
        if text in focused:
            return
    raise AssertionError(f"{text} cannot be reached with Tab")


def test_a_search_is_ended_with_the_keyboard_alone(console: Visit, system: System, name: str) -> None:
    _, order_id = ordered(system, name)
    expect(console.row(order_id)).to_contain_text("active")
    page = console.page
    tab_to(page, f"Order {order_id[-6:]}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="End search")).to_be_enabled()
    tab_to(page, "End search")
    page.keyboard.press("Enter")
    question = page.get_by_role("dialog", name="End the search?")
    expect(question).to_be_visible()
    console.see("question")
    tab_to(page, "End search")
    page.keyboard.press("Enter")
    expect(page.locator("#order-result")).to_have_text("The search is over.")
    expect(page.locator("#timeline")).to_contain_text("console ended the search.")
    page.keyboard.press("Escape")
    expect(console.row(order_id)).to_contain_text("expired")
    assert page.evaluate("document.activeElement.textContent") == order_id[-6:]


def test_the_next_drivers_are_asked_and_a_no_changes_nothing(
    console: Visit, system: System, name: str
) -> None:
    on_duty(system.urls[0], name, 8, vehicle=("TRUCK", name))
    _, order_id = ordered(system, name)
    console.row(order_id).click()
    page = console.page
    expect(page.locator("#timeline")).to_contain_text("Placed; the search began.")
    page.wait_for_timeout(2100)
    page.get_by_role("button", name="Ask again").click()
    page.get_by_role("button", name="No, go back").click()
    assert "Wave 2" not in page.locator("#timeline").inner_text()
    page.get_by_role("button", name="Ask again").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#order-result")).to_have_text("The next drivers were asked.")
    expect(page.locator("#timeline")).to_contain_text("Wave 2: asked 1 driver within 10 km.")


def test_the_list_is_filtered_and_paged(console: Visit, system: System, name: str) -> None:
    for number in range(17):
        customer, order_id = ordered(system, f"{name}-{number}")
        customer.http.post(f"/orders/{order_id}/cancel", json={})
    page, held, holds = console.page, list[Route](), True
    filtered = re.compile("ops/orders.*status=cancelled")
    page.route(filtered, lambda route: held.append(route) if holds else route.fallback())
    older = page.get_by_role("button", name="Older")
    expect(older).to_be_enabled()
    page.get_by_label("Status").select_option("cancelled")
    # Where the next page begins is not known yet.
    expect(older).to_be_disabled()
    while not held:
        page.wait_for_timeout(20)
    holds = False
    for route in held:
        route.fallback()
    expect(older).to_be_enabled()
    expect(console.row(order_id)).to_be_visible()
    expect(page.locator("#order-rows tr")).to_have_count(15)
    assert set(page.locator("#order-rows .state").all_inner_texts()) == {"cancelled"}
    older.click()
    expect(page.locator("#page-number")).to_have_text("Page 2")
    expect(console.row(order_id)).to_be_hidden()
    page.get_by_role("button", name="Newer").click()
    expect(console.row(order_id)).to_be_visible()


def test_an_order_that_was_seen_waiting_gets_its_places_when_it_is_placed(
    console: Visit, system: System, name: str
) -> None:
    _, order_id = ordered(system, name)
    waiting = True

    def as_it_was(route: Any) -> None:
        answer = route.fetch()
        whole = answer.json()
        for order in whole["data"]["orders"]:
            if waiting and order["id"] == order_id:
                waits = {"id": order_id, "status": "queued", "createdAt": order["createdAt"]}
                order.clear()
                order.update(waits)
        route.fulfill(response=answer, json=whole)

    console.page.route("**/api/v1/ops/orders?*", as_it_was)
    console.open()
    expect(console.row(order_id)).to_contain_text("not placed yet")
    waiting = False
    expect(console.row(order_id)).to_contain_text("Noida → Delhi")
    console.page.unroute_all(behavior="ignoreErrors")


def test_a_killed_web_process_is_said_and_the_page_recovers_by_itself(
    browser: Browser, system: System, name: str
) -> None:
    with system.beside("console") as url, visit(browser, url) as console:
        connection = console.page.locator("#connection")
        expect(connection).to_have_text("Connected")
        # The ground of the map is there too: what is cut off on its way is reported in other words.
        console.page.wait_for_load_state("networkidle")
        os.killpg(system.processes["console"].pid, signal.SIGKILL)
        system.processes["console"].wait()
        expect(connection).to_have_text("Not connected, trying again")
        console.see("not-connected")
        _, order_id = ordered(system, name)
        system.run("console", system.commands["web"], PORT=str(urlsplit(url).port))
        expect(connection).to_have_text("Connected", timeout=30_000)
        expect(console.row(order_id)).to_contain_text("active")
        # The browser reports every refused connection; nothing else may have gone wrong.
        refused = [message for message in console.wrong if "ERR_CONNECTION_REFUSED" in message]
        assert refused
        assert [message for message in console.wrong if "ERR_CONNECTION_RE" not in message] == []
        console.wrong.clear()


def test_outside_development_an_operator_signs_in_with_a_token_that_stays_in_the_tab(
    browser: Browser, system: System, name: str
) -> None:
    with system.beside("strict", APP_ENV="test") as url, visit(browser, url) as console:
        page = console.page
        field = page.get_by_label("A token of the role ops")
        field.fill(Person(url, "customer", name).token)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("Your role may not do this.")
        assert violations(page) == []
        console.see("sign-in")
        # The refusals that were asked for: the browser reports each.
        assert all("403" in message for message in console.wrong)
        console.wrong.clear()
        field.fill(Person(url, "ops", name).token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#connection")).to_have_text("Connected")
        page.reload()
        expect(page.locator("#connection")).to_have_text("Connected")
        assert page.url == f"{url}/console"
        page.get_by_role("button", name="Sign out").click()
        expect(field).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(
    browser: Browser, system: System, name: str, theme: Literal["light", "dark"], width: str
) -> None:
    on_duty(system.urls[0], name, vehicle=("TRUCK", name))
    _, order_id = ordered(system, name, trucks=2)
    size = {"size": PHONE} if width == "phone" else {}
    with visit(browser, system.urls[0], theme=theme, **size) as console:
        page = console.page
        expect(console.row(order_id)).to_contain_text("active")
        page.wait_for_timeout(1500)
        console.see(f"live-{theme}-{width}")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.get_by_role("button", name=f"Order {order_id[-6:]}").click()
        expect(page.locator("#timeline")).to_contain_text("Wave 1")
        console.see(f"order-{theme}-{width}")
        assert violations(page) == []


def crowd(turn: int) -> dict[str, Any]:
    """What an overview says of 2,000 drivers who all move, and twenty searches."""
    drivers = [
        {
            "id": f"d{number}",
            "state": ("available", "busy", "on_trip", "silent")[number % 4],
            "latitude": 28.4 + (number % 50) / 100 + turn / 1000,
            "longitude": 77.0 + (number // 50) / 100 + turn / 1000,
        }
        for number in range(2000)
    ]
    orders = [
        {
            "id": f"o{number}",
            "trucksFilled": 0,
            "totalTrucks": 1,
            "radiusKm": (5, 10, 15, 30, 50)[turn % 5],
            "pickup": {"coordinates": {"latitude": 28.4 + number / 50, "longitude": 77.2}},
        }
        for number in range(20)
    ]
    return {"drivers": drivers, "orders": orders, "driversLimit": 2000, "ordersLimit": 500}


@pytest.mark.long
@pytest.mark.timed
def test_two_thousand_moving_drivers_are_drawn_thirty_times_a_second(console: Visit) -> None:
    page, turns = console.page, iter(range(1_000_000))

    def in_a_city(route: Any) -> None:
        answer = route.fetch()
        whole = answer.json()
        whole["data"]["map"] = crowd(next(turns))
        route.fulfill(response=answer, json=whole)

    page.context.add_init_script(COUNT_FRAMES)
    page.route("**/api/v1/ops/overview", in_a_city)
    console.open()
    page.wait_for_function("() => window.frames_drawn > 20")
    console.see("crowd")
    # The best of some windows: this machine may have other work.
    rates: list[float] = []
    while len(rates) < 6 and max(rates, default=0) < 30:
        before = page.evaluate("window.frames_drawn")
        page.wait_for_timeout(2000)
        rates.append((page.evaluate("window.frames_drawn") - before) / 2)
    print(f"frames a second: {rates}")
    assert max(rates) >= 30, rates
    page.unroute_all(behavior="ignoreErrors")
