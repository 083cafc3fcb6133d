"""`make run` on a fresh copy of this checkout, on ports and with stores of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.conftest import ROOT
from tests.system import until
from tools.local import ports

# Nothing that a clone would not have.
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "tests", "docs")
READY_WITHIN_S = 90.0
# Where the tests' own stores are is none of its business.
NOT_PASSED_ON = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "APP_ENV")


class Launched:
    """A launcher that runs: where it answers, where it lies, and its end."""

    def __init__(self, checkout: Path, *command: str) -> None:
        port, flower = ports.free(), ports.free()
        self.url = f"http://127.0.0.1:{port}"
        self.notes = checkout / ".run"
        self.log = checkout / "launcher.log"
        environment = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=checkout,
                env=environment | {"PORT": str(port), "FLOWER_PORT": str(flower)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def until_ready(self, within: float = READY_WITHIN_S) -> None:
        until(self._ready, within, f"not ready; see {self.log}")

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "Ready after" in self.log.read_text()

    def stop(self) -> float:
        """Sends what Ctrl-C sends; how many seconds the stop took."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30)
        [line] = [line for line in self.log.read_text().splitlines() if "stopped in" in line]
        return float(line.rpartition("stopped in ")[2].removesuffix(" s"))

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for the time of the block; not below the tests' own, which Postgres may not enter for root."""
    base = Path(tempfile.mkdtemp(prefix="weelo-launched-"))
    base.chmod(0o755)
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def launched() -> Iterator[Launched]:
    """The system for the time of the block, from an empty `.run` to nothing left."""
    with folder() as base:
        shutil.copytree(ROOT, base / "weelo", ignore=LEFT_OUT)
        found = Launched(base / "weelo", sys.executable, "-m", "tools.local.run")
        try:
            found.until_ready()
            yield found
        finally:
            if found.process.poll() is None:
                found.stop()
