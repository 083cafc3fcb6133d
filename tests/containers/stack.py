"""The engine, the images and the containers: started, asked and ended."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import ROOT
from tools.local import ports

HERE = Path(__file__).parent
PLUGINS = "programs/usr/libexec/docker/cli-plugins"
# More than any step takes, so that a step which hangs ends the run.
STEP_SECONDS = 300
# What a later step needs is kept out of the measured orders' way: they end soon.
ORDER_TTL_SECONDS = 20


class Stack:
    """One engine below a directory of its own, and on it the services of docker-compose.yml."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="weelo-containers-", dir="/var/tmp"))
        self.secrets = {
            name: secrets.token_hex(32)
            for name in ("POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "REDIS_PASSWORD", "JWT_SECRET")
        }
        self.over: list[str] = []
        port, flower = ports.free(), ports.free()
        self.url = f"http://127.0.0.1:{port}"
        programs = self.directory / "programs/usr"
        self.environment = {
            **self.secrets,
            "PATH": f"{programs}/sbin:{programs}/bin:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self.directory),
            # A `.env` of this checkout is not read.
            "COMPOSE_ENV_FILES": "/dev/null",
            "DOCKER_HOST": f"unix://{self.directory}/docker.sock",
            "DOCKER_CONFIG": str(self.directory / "config"),
            "FLOWER_BASIC_AUTH": f"ops:{self.secrets['JWT_SECRET']}",
            "PORT": str(port),
            "FLOWER_PORT": str(flower),
            "ORDERS_PER_MINUTE": "0",
            "ORDER_TTL_SECONDS": str(ORDER_TTL_SECONDS),
        }

    def holds(self, figure: str, found: float, most: float) -> None:
        """A figure of an idle machine. What is above is named at the end, and is a failure of a timed run."""
        if found > most:
            self.over.append(f"{figure}: {found:.1f}, not {most}")

    def script(self, name: str, *arguments: str) -> str:
        """What a shell script beside this file prints; the engine outlives the script that starts it."""
        command = ["sh", str(HERE / name), *arguments, str(self.directory)]
        with (self.directory / "script.out").open("w+") as said:
            subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=said, check=True,
                           timeout=STEP_SECONDS)  # fmt: skip
            said.seek(0)
            return said.read()

    def _plug_in(self) -> None:
        """Lets `docker` find compose and buildx."""
        shutil.copytree(self.directory / PLUGINS, self.directory / "config/cli-plugins")

    def _call(self, command: list[str], **more: str) -> str:
        said = subprocess.run(
            command, cwd=ROOT, env=self.environment | more, timeout=STEP_SECONDS, stdin=subprocess.DEVNULL,
            capture_output=True, text=True,
        )  # fmt: skip
        if said.returncode:
            raise RuntimeError(f"{' '.join(command)}: {said.stderr.strip()[-2000:]}")
        return said.stdout

    def docker(self, *words: str) -> str:
        """What a command of `docker` prints. Raises ``RuntimeError`` with what it complains about."""
        return self._call(["docker", *words])

    def compose(self, *words: str) -> str:
        return self.docker("compose", *words)

    def deploy(self, name: str, *arguments: str, **more: str) -> str:
        """As `docker`, for a script of `deploy/` with more in its environment."""
        return self._call([str(ROOT / "deploy" / name), *arguments], **more)

    def sql(self, statement: str) -> list[str]:
        """The lines that Postgres answers."""
        psql = (
            "psql",
            "--username=weelo_owner",
            "--dbname=weelo",
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
        )
        return self.compose("exec", "-T", "postgres", *psql, f"--command={statement}").split()

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """What the engine knows of each container that runs, of one service or of all."""
        names = self.compose("ps", "--quiet", *([service] if service else [])).split()
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", *names)) if names else []
        return found

    def pids(self, container: dict[str, Any]) -> list[int]:
        """The processes of a container, by the machine's own numbers."""
        return [int(pid) for pid in self.docker("top", container["Id"], "-eo", "pid").split()[1:]]

    def cpu_seconds(self) -> float:
        """Processor time that the containers which run have taken, their health checks with them."""
        socket = httpx.HTTPTransport(uds=f"{self.directory}/docker.sock")
        with httpx.Client(transport=socket, base_url="http://engine") as engine, ThreadPoolExecutor() as pool:

            def taken(container: dict[str, Any]) -> int:
                query = {"stream": "false", "one-shot": "true"}
                figures = engine.get(f"/containers/{container['Id']}/stats", params=query).json()
                return int(figures["cpu_stats"]["cpu_usage"]["total_usage"])

            # The engine takes a second for each.
            return sum(pool.map(taken, self.containers())) / 1e9

    def is_ready(self) -> bool:
        """Whether `/ready` is green through nginx."""
        try:
            return httpx.get(f"{self.url}/ready", timeout=3).status_code == 200
        except httpx.HTTPError:
            return False

    def disk_bytes(self) -> int:
        """What the directory takes on its disk; of mounted file systems nothing."""
        said = subprocess.run(["du", "-sxB1", str(self.directory)], capture_output=True, text=True)
        return int(said.stdout.split()[0])

    @contextmanager
    def engine(self) -> Iterator[None]:
        """The engine for the time of the block; afterwards the machine is as before."""
        try:
            self.script("engine.sh", "start")
            self._plug_in()
            yield
        finally:
            self.script("engine.sh", "stop")


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """How long it took for a condition to be true (seconds). Raises ``AssertionError``."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.2)
    return time.monotonic() - begun
