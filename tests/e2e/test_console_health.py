"""The console's banner names each part that is killed or frozen within 10 s, and goes within 10 s of its
return.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import Stores, own_stores
from tests.e2e.console import visit
from tests.soak.server import children
from tests.system import System, running
from tools.local.server import Server

WITHIN_MS = 10_000
# How the banner names what the Procfile and the stores are called.
NAMED = {"orders": "worker", "sweeps": "worker"}
LONG = (
    ("beat", "frozen"),
    ("orders", "killed"),
    ("redis", "frozen"),
    ("postgres", "frozen"),
    ("web", "frozen"),
)
BY_HAND = (
    ("beat", "killed"),
    ("orders", "frozen"),
    ("sweeps", "frozen"),
    ("sweeps", "killed"),
    ("redis", "killed"),
    ("postgres", "killed"),
    ("web", "killed"),
)


@dataclass
class Victims:
    """The processes of one system, to be hurt one at a time."""

    system: System
    stores: Stores
    url: str = ""

    def harm(self, part: str, how: str) -> None:
        if how == "frozen":
            self._signal(part, signal.SIGSTOP)
        elif server := self._server(part):
            server.kill()
        else:
            os.killpg(self.system.processes[part].pid, signal.SIGKILL)
            self.system.processes[part].wait()

    def heal(self, part: str, how: str) -> None:
        if how == "frozen":
            self._signal(part, signal.SIGCONT)
        elif server := self._server(part):
            server.start()
        else:
            self.system.run(part, self.system.commands[part], PORT=str(urlsplit(self.url).port))

    def _server(self, part: str) -> Server | None:
        return {"postgres": self.stores.postgres, "redis": self.stores.valkey}.get(part)

    def _signal(self, part: str, signum: signal.Signals) -> None:
        server = self._server(part)
        pid = server.pid if server else self.system.processes[part].pid
        assert pid
        for process in family(pid):
            os.kill(process, signum)


def family(pid: int) -> list[int]:
    """A process and all below it: Postgres' backends are no group of its own."""
    return [pid, *(below for child in children(pid) for below in family(child))]


@pytest.fixture(scope="module")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    logs: Path = tmp_path_factory.mktemp("logs")
    with (
        own_stores("weelo-health-") as stores,
        running(stores.environment, logs) as system,
        system.beside("web") as url,
    ):
        yield Victims(system, stores, url)


def named_and_gone(browser: Browser, victims: Victims, part: str, how: str) -> None:
    with visit(browser, victims.url) as console:
        page = console.page
        banner = page.locator("#health")
        expect(page.locator("#connection")).to_have_text("Connected")
        expect(banner).to_be_hidden()
        begun = time.monotonic()
        victims.harm(part, how)
        try:
            line = page.locator("#health-lines li", has_text=NAMED.get(part, part)).first
            expect(line).to_be_visible(timeout=WITHIN_MS)
            named = time.monotonic() - begun
            expect(page).to_have_title("(1) Weelo console")
            console.see(f"health-{part}-{how}")
        finally:
            begun = time.monotonic()
            victims.heal(part, how)
        expect(banner).to_be_hidden(timeout=WITHIN_MS)
        expect(page).to_have_title("Weelo console")
        print(f"{part} {how}: named after {named:.1f} s, gone after {time.monotonic() - begun:.1f} s")
        # What the browser says of the requests that failed meanwhile.
        console.wrong.clear()


@pytest.mark.long
@pytest.mark.parametrize(("part", "how"), LONG)
def test_the_banner_names_a_part_and_goes_when_it_is_back(
    browser: Browser, victims: Victims, part: str, how: str
) -> None:
    named_and_gone(browser, victims, part, how)


@pytest.mark.by_hand
@pytest.mark.parametrize(("part", "how"), BY_HAND)
def test_the_banner_names_a_part_that_is_harmed_in_the_other_way(
    browser: Browser, victims: Victims, part: str, how: str
) -> None:
    named_and_gone(browser, victims, part, how)
