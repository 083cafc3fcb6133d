"""`python -m tests.soak`: the console's page beside moving drivers (2,000) and orders (20 a second).

Measures frames and memory in the page, and what the page costs the server: the processor time of web,
Postgres and Redis with it, less that of a minute without it. Ends with status 1 if the median of the
windows of ten seconds is below 50 frames a second, memory grows, or the page costs more than 8 % of a core.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import own_stores
from tests.e2e.console import COUNT_FRAMES, SCREENSHOTS
from tests.soak.chromium import Tab, tab
from tests.soak.feeder import DRIVERS, ORDERS_A_SECOND, Feeder
from tests.soak.server import PARTS, Server, machine_busy, own_memory
from tests.system import System, listens, until

WINDOW_S, WINDOWS_A_ROW = 10.0, 6
# The page has settled, and the first circles are on it.
WARM_UP_S = 10.0
FRAMES, MOST_OF_A_CORE = 50.0, 0.08
# From the second minutes to the last ones a figure may grow by a tenth and by so much.
SLACK = {"heap (MB)": 1.0, "renderer (MB)": 10.0, "nodes": 20.0, "listeners": 5.0}


@dataclass(frozen=True)
class Row:
    """One minute: frames a second of each window, what the page holds, cores that each part has used.

    ``browser`` are the cores of all of the browser's processes, which are none of the server's.
    """

    frames: list[float]
    browser: float
    held: Mapping[str, float]
    cores: Mapping[str, float]


class Watch:
    """Reads the page's figures from the browser."""

    def __init__(self, page: Tab) -> None:
        self._page = page

    def frames(self, windows: int) -> list[float]:
        found = []
        for _ in range(windows):
            before, began = self._drawn(), time.monotonic()
            time.sleep(WINDOW_S)
            found.append((self._drawn() - before) / (time.monotonic() - began))
        return found

    def _drawn(self) -> int:
        return int(self._page.evaluate("window.frames_drawn"))

    def used(self) -> float:
        """Seconds of processor time of the whole browser."""
        return float(sum(process["cpuTime"] for process in self._processes()))

    def _processes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._page.ask("SystemInfo.getProcessInfo")["processInfo"]
        return found

    def held(self) -> dict[str, float]:
        self._page.ask("HeapProfiler.collectGarbage")
        counted = self._page.ask("Memory.getDOMCounters")
        renderers = [int(process["id"]) for process in self._processes() if process["type"] == "renderer"]
        return {
            "heap (MB)": self._page.ask("Runtime.getHeapUsage")["usedSize"] / 2**20,
            "renderer (MB)": max(map(own_memory, renderers)),
            "nodes": counted["nodes"],
            "listeners": counted["jsEventListeners"],
        }


def cores(server: Server, before: Mapping[str, float], began: float) -> dict[str, float]:
    """Cores that each part has used since then."""
    now, seconds = server.used(), time.monotonic() - began
    return {part: (now[part] - before[part]) / seconds for part in PARTS}


def grown(rows: list[Row]) -> list[str]:
    """What the page holds more of in its last minutes than in those after its first."""
    some = max(1, min(3, len(rows) // 3))
    early, late = rows[1 : 1 + some] or rows, rows[-some:]
    return [name for name, slack in SLACK.items() if _median(late, name) > 1.1 * _median(early, name) + slack]


def _median(rows: list[Row], name: str) -> float:
    return statistics.median(row.held[name] for row in rows)


def show(number: int, row: Row) -> None:
    held = "".join(f"{row.held[name]:>15.1f}" for name in SLACK)
    used = "".join(f"{100 * row.cores[part]:>11.1f}%" for part in PARTS)
    frames = f"{min(row.frames):>12.1f}{statistics.median(row.frames):>10.1f}"
    print(f"{number:>6}{frames}{100 * row.browser:>11.1f}%{held}{used}", flush=True)


def verdict(rows: list[Row], idle: Mapping[str, float]) -> bool:
    """Prints what it comes to; whether it is what was promised."""
    windows = [rate for row in rows for rate in row.frames]
    frames = statistics.median(windows)
    cost = {part: statistics.mean(row.cores[part] for row in rows) - idle[part] for part in PARTS}
    whole, more = sum(cost.values()), grown(rows)
    print(f"\nframes a second: median {frames:.1f}, lowest window of {WINDOW_S:.0f} s {min(windows):.1f}")
    print(f"grows: {', '.join(more) or 'nothing'}")
    parts = ", ".join(f"{part} {100 * used:.1f} %" for part, used in cost.items())
    print(f"the page costs the server {100 * whole:.1f} % of a core ({parts})")
    return frames >= FRAMES and not more and whole <= MOST_OF_A_CORE


def measure(minutes: float, drivers: int, orders_a_second: int) -> bool:
    with own_stores("weelo-soak-") as stores, tempfile.TemporaryDirectory() as logs:
        feeder = Feeder(stores.environment, drivers, orders_a_second)
        feeder.seed()
        system = System(stores.environment, Path(logs))
        url = system.start_web("web")
        try:
            until(lambda: listens(f"{url}/health"), 30, "the web process does not answer")
            feeder.start()
            server = Server(stores, system.processes["web"].pid, feeder.pid)
            return _beside(feeder, server, url, max(1, round(minutes * WINDOWS_A_ROW)))
        finally:
            system.stop()


def _beside(feeder: Feeder, server: Server, url: str, windows: int) -> bool:
    time.sleep(WARM_UP_S)
    before, began = server.used(), time.monotonic()
    time.sleep(WINDOW_S * min(windows, WINDOWS_A_ROW))
    idle = cores(server, before, began)
    print("without the page: " + ", ".join(f"{part} {100 * used:.1f} %" for part, used in idle.items()))
    load = os.getloadavg()[0]
    busy, had = machine_busy()
    rows = []
    with tab() as page:
        page.open(f"{url}/console", COUNT_FRAMES)
        watch = Watch(page)
        time.sleep(WARM_UP_S)
        names = "".join(f"{name:>15}" for name in SLACK) + "".join(f"{part:>12}" for part in PARTS)
        print(f"minute  lowest f/s    median      browser{names}", flush=True)
        for number, begin in enumerate(range(0, windows, WINDOWS_A_ROW)):
            before, drawn, began = server.used(), watch.used(), time.monotonic()
            frames = watch.frames(min(WINDOWS_A_ROW, windows - begin))
            browser_cores = (watch.used() - drawn) / (time.monotonic() - began)
            rows.append(Row(frames, browser_cores, watch.held(), cores(server, before, began)))
            show(number + 1, rows[-1])
            assert page.evaluate("document.getElementById('connection').textContent") == "Connected"
        page.picture(SCREENSHOTS / "soak.png")
    feeder.end()
    busy, had = machine_busy()[0] - busy, machine_busy()[1] - had
    print(f"the city: {feeder.turns} seconds of it, the slowest took {feeder.slowest_s:.2f} s to write")
    print(f"the machine: load {load:.1f} before, {busy / had:.0%} of {os.cpu_count()} cores busy since")
    return verdict(rows, idle)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--drivers", type=int, default=DRIVERS)
    parser.add_argument("--orders", type=int, default=ORDERS_A_SECOND, help="a second")
    given = parser.parse_args()
    return 0 if measure(given.minutes, given.drivers, given.orders) else 1


if __name__ == "__main__":
    sys.exit(main())
