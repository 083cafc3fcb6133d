"""The last hour in the console: a line under each figure, and the share of trucks that were taken."""

import re
from datetime import timedelta
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, expect

from models import clock
from models.live import figures
from tests.e2e.console import visit
from tests.e2e.test_console_find import NARROW, fits
from tests.e2e.test_console_map import LEAST_CONTRAST, contrast
from tests.system import System
from workers.reading.minutes import MINUTE

WIDE = (1440, 900)
LINES = 8
TAKEN = re.compile(r"Since .+: \d+ % at first, \d+ % at most, \d+ % now")
COLOURS = """(line) => [getComputedStyle(line).stroke, getComputedStyle(line.closest("div")).backgroundColor]
    .map((colour) => colour.match(/\\d+/g).slice(0, 3).map(Number))"""


def an_hour_of_samples() -> None:
    """As 50 minutes of a city leave them, up to five minutes ago."""
    names = ("searching", "fullyFilled", "inProgress", "expired", "ordersPerMinute", "trucksTaken")
    now = clock.now()
    minutes = {
        f"sample:{now - ago * MINUTE:%Y-%m-%dT%H:%M}": dict.fromkeys(names, 40 + ago % 9)
        | {"trucksAsked": 60, "p50Ms": 20 + ago % 5, "p99Ms": 60 + ago % 7}
        for ago in range(5, 55)
    }
    figures.remember(minutes, seconds=int(timedelta(hours=1).total_seconds()))


@pytest.mark.parametrize(
    ("theme", "size"),
    [
        ("light", WIDE),
        ("dark", NARROW),
        pytest.param("light", NARROW, marks=pytest.mark.long),
        pytest.param("dark", WIDE, marks=pytest.mark.long),
    ],
)
def test_each_figure_has_the_line_of_its_hour(
    browser: Browser, system: System, theme: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    an_hour_of_samples()
    with visit(browser, system.urls[0], size=size, theme=theme) as console:
        lines = console.page.locator(".line polyline")
        expect(lines).to_have_count(LINES)
        taken = console.page.locator("[data-line='taken'] svg")
        expect(taken).to_have_accessible_name(TAKEN)
        for number in range(LINES):
            stroke, ground = lines.nth(number).evaluate(COLOURS)
            assert contrast(tuple(stroke), tuple(ground)) >= LEAST_CONTRAST
        fits(console, f"hour-{theme}-{size[0]}")


def test_the_console_leads_to_flower(browser: Browser, system: System) -> None:
    with visit(browser, system.urls[0]) as console:
        link = console.page.get_by_role("link", name="Flower")
        expect(link).to_have_attribute("href", "//127.0.0.1:5555/tasks")


def test_the_share_of_trucks_that_were_taken_is_the_one_of_the_last_hour(
    browser: Browser, system: System
) -> None:
    with visit(browser, system.urls[0]) as console:
        page = console.page

        def of_an_hour(route: Any) -> None:
            answer = route.fetch()
            whole = answer.json()
            whole["data"] |= {"trucksAsked": 1000, "trucksTaken": 999}
            route.fulfill(response=answer, json=whole)

        page.route("**/api/v1/ops/hour", of_an_hour)
        console.open()
        # All is said only of all.
        expect(page.locator("#fill-rate")).to_have_text("99 %")
        page.unroute_all(behavior="ignoreErrors")
