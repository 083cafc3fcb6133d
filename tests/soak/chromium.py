"""A tab of a browser, driven over the DevTools protocol by as little as a measurement needs.

Playwright listens to the network of its pages, and the browser then keeps every answer for it: the
page's process grows by some 12 MB a minute that nobody's own browser would use.
"""

import base64
import itertools
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests import chromium
from tests.e2e.console import DESKTOP
from tests.system import until

FLAGS = ("--headless=new", "--no-sandbox", "--remote-debugging-port=0", "--no-first-run")
QUIET = ("--disable-component-update", "--disable-background-networking")
ANSWER_WITHIN_S = 30.0


class Tab:
    """One page, and the browser that it is in."""

    def __init__(self, browser: ClientConnection) -> None:
        self._browser = browser
        self._numbers = itertools.count(1)
        self._session = ""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        size = dict(zip(("width", "height"), DESKTOP, strict=True))
        self.ask("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)
        self.ask("Page.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol to the page (to the browser before there is one); its result."""
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session and not _of_browser(method) else {}
        self._browser.send(json.dumps({"id": number, "method": method, "params": parameters} | session))
        while True:
            heard = json.loads(self._browser.recv(ANSWER_WITHIN_S))
            if heard.get("id") == number:
                assert "error" not in heard, f"{method}: {heard['error']}"
                result: dict[str, Any] = heard["result"]
                return result

    def open(self, url: str, script: str) -> None:
        """Goes there; the script runs before those of the page."""
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=script)
        self.ask("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))


def _of_browser(method: str) -> bool:
    return method.startswith(("Target.", "SystemInfo."))


@contextmanager
def tab() -> Iterator[Tab]:
    """A browser with one page, for the time of the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [chromium.path(), *FLAGS, *QUIET, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = until(lambda: _address(Path(profile)), 30, "the browser does not listen")
            with connect(address, max_size=None) as browser:
                yield Tab(browser)
        finally:
            process.terminate()
            process.wait(10)


def _address(profile: Path) -> str:
    """Where the browser listens; "" until it says so."""
    note = profile / "DevToolsActivePort"
    lines = note.read_text().split() if note.exists() else []
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}" if len(lines) == 2 else ""
