"""The console in a browser that notices what should not happen: errors, failures, requests to others."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, Response, Route

from tests import chromium
from tests.conftest import ROOT

SCREENSHOTS = ROOT / ".run" / "screenshots"
DESKTOP, PHONE = (1400, 900), (375, 740)

# Counts the frames of the map, whatever draws them.
COUNT_FRAMES = """
    window.frames_drawn = 0;
    const clear = CanvasRenderingContext2D.prototype.clearRect;
    CanvasRenderingContext2D.prototype.clearRect = function (...sides) {
        window.frames_drawn += 1;
        return clear.apply(this, sides);
    };
"""

AXE = files("axe_playwright_python") / "axe.min.js"


class Visit:
    """One page of one browser context, and whatever went wrong on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.host = urlsplit(url).netloc
        self.wrong: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._response)
        page.context.route("**/*", self._route)

    def open(self) -> None:
        self.page.goto(f"{self.url}/console")

    def see(self, name: str) -> Path:
        """Leaves a picture for people to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def row(self, order_id: str) -> Any:
        return self.page.locator(f"tr[data-order='{order_id}']")

    def figure(self, name: str) -> int:
        return int(self.page.locator(f"[data-figure='{name}']").inner_text())

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _no_track(message.text, message.location["url"]):
            self.wrong.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        # A page that is left gives up what it has asked for.
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"failed: {request.method} {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and not _no_track(str(response.status), response.url):
            self.wrong.append(f"{response.status}: {response.request.method} {response.url}")

    def _route(self, route: Route) -> None:
        if urlsplit(route.request.url).netloc == self.host:
            route.fallback()
            return
        self.wrong.append(f"to another host: {route.request.url}")
        route.abort()


def _no_track(said: str, url: str) -> bool:
    """Whether a truck has lost its driver since the page read the order; it then shows no track of it."""
    return "404" in said and urlsplit(url).path.endswith("/track")


def launch(playwright: Playwright) -> Browser:
    """The browser, without a sandbox where root runs the tests."""
    return playwright.chromium.launch(
        executable_path=chromium.path(),
        args=["--no-sandbox", "--disable-component-update", "--disable-background-networking"],
    )


@contextmanager
def visit(
    browser: Browser,
    url: str,
    size: tuple[int, int] = DESKTOP,
    theme: Literal["light", "dark"] = "light",
) -> Iterator[Visit]:
    """The console, opened in a context of its own; nothing may have gone wrong when it is left."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme, reduced_motion="no-preference"
    )
    context.set_default_timeout(15_000)
    try:
        found = Visit(context.new_page(), url)
        found.open()
        yield found
        assert found.wrong == []
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """What axe finds."""
    # Put in by the browser, which the page's policy does not concern.
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((result) => result.violations)")
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]
