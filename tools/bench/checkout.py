"""One commit, run from a clone of its own as `make run` runs it: its own Procfile, packages and stores."""

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from tests.conftest import ROOT
from tools.bench.cpu import Kinds
from tools.local import leash, ports, surroundings, unprivileged
from tools.local.running import DIRECTORY

# The first start installs the packages.
START_SECONDS, STOP_SECONDS, LOOK_SECONDS = 600.0, 30.0, 0.1
WEB_PROCESSES = 2
STORES = ("postgres", "valkey")
# The entries of the Procfile whose CPU time is counted together; any other is a kind of its own.
KINDS = {"orders": "worker", "sweeps": "worker", "beat": "worker", "valkey": "redis"}
_direct = build_opener(ProxyHandler({}))


def commit_of(reference: str) -> str:
    """The full name of a commit of this repository. Raises ``subprocess.CalledProcessError``."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Checkout:
    """A clone of ``commit`` in ``directory``. It satisfies `tools.bench.city.Target` while it runs."""

    def __init__(self, commit: str, directory: Path, ttl_seconds: int) -> None:
        self.commit, self.directory, self.secret = commit, directory, secrets.token_urlsafe(32)
        self._ttl_seconds = ttl_seconds
        self._process: subprocess.Popen[bytes] | None = None
        _git("clone", "--quiet", "--no-checkout", str(ROOT), str(directory))
        _git("-C", str(directory), "checkout", "--quiet", "--detach", commit)
        # Versions with the same pins share an environment, and later runs find it.
        self._venv = DIRECTORY / "environments" / _pins(directory)

    @property
    def web_port(self) -> int:
        return self._port

    @property
    def installed(self) -> bool:
        """Whether an earlier run has left the packages."""
        return self._venv.exists()

    @property
    def log(self) -> Path:
        return self.directory.with_suffix(".log")

    @property
    def kinds(self) -> Kinds:
        """The heads of the processes by kind; what is left of `make run` is the launcher's."""
        assert self._process
        kinds = {"launcher": [self._process.pid]}
        for name, pid in self._note()["pids"].items():
            kinds.setdefault(KINDS.get(name, name), []).append(pid)
        return kinds

    def start(self) -> None:
        """Starts the system on empty stores and returns when it is ready. Raises ``AssertionError``."""
        self._port, flower_port = ports.free(), ports.free()
        settings = {
            "HOST": ports.LOOPBACK,
            "PORT": str(self._port),
            "FLOWER_PORT": str(flower_port),
            "FLOWER_BASIC_AUTH": f"bench:{secrets.token_urlsafe(16)}",
            "JWT_SECRET": self.secret,
            "WEB_CONCURRENCY": str(WEB_PROCESSES),
            "ORDER_TTL_SECONDS": str(self._ttl_seconds),
        }
        given = {name: value for name, value in os.environ.items() if name not in _STORE_SETTINGS}
        environment = surroundings.for_processes(given, own_postgres=True) | settings
        command = ["make", "run", f"VENV={self._venv}", f"PYTHON={sys.executable}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        leash.hold(self._process.pid, signal.SIGTERM)
        self._wait_until_ready()

    def stop(self) -> None:
        """Ends the system and deletes its data."""
        if self._process is None:
            return
        # To the launcher, and not to the `make` above it, which would not wait.
        for pid in [self._note().get("pid")]:
            os.kill(pid or self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        leash.release(self._process.pid)
        self._process = None
        for store in STORES:
            unprivileged.remove(self.directory / ".run" / store)

    def _note(self) -> dict[str, Any]:
        """What the launcher has written about its processes; empty before that."""
        try:
            note: dict[str, Any] = json.loads((self.directory / ".run" / "running.json").read_text())
        except FileNotFoundError:
            return {}
        return note

    def _wait_until_ready(self) -> None:
        assert self._process
        deadline = time.monotonic() + START_SECONDS
        while not (self._note() and self._is_ready()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.commit[:10]} did not start; see {self.log}")
            time.sleep(LOOK_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with _direct.open(f"http://{ports.LOOPBACK}:{self._port}/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


# They would make `make run` use servers that it did not start.
_STORE_SETTINGS = frozenset({"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"})


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def _pins(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(directory.glob("requirements*.txt")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
