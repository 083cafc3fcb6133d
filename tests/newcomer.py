"""Times a newcomer: from `git clone` to an order that is accepted in the page, by the README's own steps.

Usage: python -m tests.newcomer: clones this checkout as it is committed, with an empty package cache.
"""

import subprocess
import sys
import time

from playwright.sync_api import Page, expect, sync_playwright

from tests.conftest import ROOT
from tests.e2e.console import launch, visit
from tests.launched import Launched, folder

# The promise; a slower run is reported.
WITHIN_S = 300.0
SHORTLY_MS = 60_000


def main() -> int:
    began = time.monotonic()

    def passed(step: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {step}", flush=True)

    with folder() as base:
        checkout = base / "weelo"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        passed("cloned")
        system = Launched(checkout, "env", "PIP_NO_CACHE_DIR=1", "make", "run", f"PYTHON={sys.executable}")
        try:
            system.until_ready(WITHIN_S)
            passed("`make run` says that it is ready")
            with sync_playwright() as playwright, visit(launch(playwright), system.url) as console:
                _click(console.page)
            passed("the order is accepted in the page")
        finally:
            system.stop()
    return 0 if time.monotonic() - began < WITHIN_S else 1


def _click(page: Page) -> None:
    page.get_by_role("tab", name="Play with it").click(timeout=SHORTLY_MS)
    page.get_by_role("button", name="Start the city").click(timeout=SHORTLY_MS)
    expect(page.locator("#city-button")).to_have_text("Stop the city", timeout=SHORTLY_MS)
    for x, y in ((380, 260), (470, 330)):
        page.locator("#map").click(position={"x": x, "y": y})
    page.get_by_role("button", name="Order two trucks").click()
    offer = page.locator("#offers li").filter(has_text="₹500")
    offer.get_by_role("button", name="Accept").click(timeout=SHORTLY_MS)
    expect(page.locator("#driver-news")).to_have_text("The truck is yours.", timeout=SHORTLY_MS)


if __name__ == "__main__":
    sys.exit(main())
