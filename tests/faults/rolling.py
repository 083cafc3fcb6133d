"""A restart of everything as `deploy/release.sh` does it, one line of the Procfile after the other: new
processes beside the old ones, which stop together when the new ones are healthy.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx

from tests.faults.fleet import Fleet
from tests.system import until

BEFORE = ("web1", "web2", "orders1", "orders2", "sweeps1", "beat1")
STEPS = (("web", 2), ("orders", 2), ("sweeps", 1), ("beat", 1))
HEALTHY_SECONDS = 90.0


def restart(fleet: Fleet, seen: Callable[[str, float], None]) -> None:
    """Replaces each process of ``BEFORE``; ``seen`` gets each line of the Procfile and its seconds."""
    for line, count in STEPS:
        begun = time.monotonic()
        old = [f"{line}{number}" for number in range(1, count + 1)]
        new = [f"{line}{number}" for number in range(count + 1, 2 * count + 1)]
        for name in new:
            fleet.launch(name, ALIVE_FILE=str(fleet.directory / f"{name}.alive"))
        for name in new:
            until(partial(_is_healthy, fleet, name), HEALTHY_SECONDS, f"{name}; see {fleet.directory}")
        with ThreadPoolExecutor() as pool:
            list(pool.map(fleet.terminate, old))
        for name in old:
            # 0, or Celery's and beat's own way to say that a signal ended them.
            assert fleet.processes.pop(name).returncode in (0, -15), name
        seen(line, time.monotonic() - begun)


def _is_healthy(fleet: Fleet, name: str) -> bool:
    """What release.sh waits for."""
    if not (fleet.directory / f"{name}.alive").exists():
        return False
    return not name.startswith("web") or _reaches_postgres(fleet.port(name))


def _reaches_postgres(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready/web", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
