"""Times a newcomer: from `git clone` to an order that is accepted in the page, by the README's own steps.

Usage: python -m tests.newcomer: clones this checkout as it is committed, with an empty package cache. Ends
with status 1 where all of it takes more than three minutes, or what is ours (all but the packages) more than
one.
"""

import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.conftest import ROOT
from tests.e2e.console import launch, visit
from tests.launched import Launched, folder
from tests.system import until

WITHIN_S, OURS_WITHIN_S = 180.0, 60.0
# A slower run is measured to its end and reported.
PATIENCE_S = 600.0
SHORTLY_MS = 60_000
PACKAGES = "`make run` has installed the packages"


class Steps:
    """How long each step has taken, printed as it ends."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}
        self._last = time.monotonic()

    def done(self, step: str) -> None:
        now = time.monotonic()
        self.took[step], self._last = now - self._last, now
        print(f"{self.took[step]:6.1f} s  {step}", flush=True)

    def within(self) -> bool:
        whole = sum(self.took.values())
        ours = whole - self.took[PACKAGES]
        print(f"{whole:6.1f} s  in all, at most {WITHIN_S:.0f}")
        print(f"{ours:6.1f} s  without the packages, at most {OURS_WITHIN_S:.0f}")
        return whole <= WITHIN_S and ours <= OURS_WITHIN_S


def main() -> int:
    steps = Steps()
    with folder() as base:
        checkout = base / "weelo"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        steps.done("`git clone`")
        python = f"PYTHON={sys.executable}"
        system = Launched(checkout, "env", "PIP_NO_CACHE_DIR=1", "make", "run", python)
        try:
            until(lambda: "installed in" in system.log.read_text(), PATIENCE_S)
            steps.done(PACKAGES)
            system.until_ready(PATIENCE_S)
            steps.done("`make run` says that it is ready")
            _in_the_page(system.url, steps)
            _try(checkout, python)
            steps.done("`make try` has gone through the README's lines")
        finally:
            system.stop()
    return 0 if steps.within() else 1


def _in_the_page(url: str, steps: Steps) -> None:
    with sync_playwright() as playwright, visit(launch(playwright), url) as console:
        page = console.page
        page.get_by_role("tab", name="Play with it").click(timeout=SHORTLY_MS)
        steps.done('the console is open, "Play with it" chosen')
        page.get_by_role("button", name="Start the city").click(timeout=SHORTLY_MS)
        expect(page.locator("#city-button")).to_have_text("Stop the city", timeout=SHORTLY_MS)
        steps.done("the simulated city runs")
        _order(page)
        steps.done("an order is placed and accepted in the page")


def _try(checkout: Path, python: str) -> None:
    command = ["make", "--silent", "try", python]
    ended = subprocess.run(
        command, cwd=checkout, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _order(page: Page) -> None:
    for x, y in ((380, 260), (470, 330)):
        page.locator("#map").click(position={"x": x, "y": y})
    page.get_by_role("button", name="Order two trucks").click()
    offer = page.locator("#offers li").filter(has_text="₹500")
    offer.get_by_role("button", name="Accept").click(timeout=SHORTLY_MS)
    expect(page.locator("#driver-news")).to_have_text("The truck is yours.", timeout=SHORTLY_MS)


if __name__ == "__main__":
    sys.exit(main())
