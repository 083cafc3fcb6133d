"""The pages to read, on a phone and in the dark."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.console import PHONE, SCREENSHOTS, violations
from tests.system import System

# Of what the page has behind its text, from 0 (black) to 255.
BRIGHTNESS = """() => {
    const of = (element) => getComputedStyle(element).backgroundColor.match(/[\\d.]+/g).map(Number);
    const [red, green, blue, alpha = 1] = of(document.documentElement);
    return alpha ? (red + green + blue) / 3 : matchMedia("(prefers-color-scheme: dark)").matches ? 18 : 255;
}"""


THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def fits_and_follows(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        page.screenshot(path=SCREENSHOTS / f"read-{name}-{theme}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert (page.evaluate(BRIGHTNESS) < 128) == (theme == "dark")


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", ["asyncapi", "runbook"])
def test_a_page_to_read_fits_a_phone_and_follows_the_theme(phone: Page, system: System, name: str) -> None:
    phone.goto(f"{system.urls[0]}/{name}")
    fits_and_follows(phone, name)
    assert violations(phone) == []


@pytest.mark.long
def test_an_open_operation_of_swagger_ui_fits_a_phone_and_follows_the_theme(
    phone: Page, system: System
) -> None:
    phone.goto(f"{system.urls[0]}/docs")
    phone.locator(".opblock-summary-control").first.click()
    expect(phone.locator(".opblock-body").first).to_be_visible()
    fits_and_follows(phone, "docs")
