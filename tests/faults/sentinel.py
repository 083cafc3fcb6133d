"""Two Redis, a Sentinel that fails them over, and `deploy/haproxy.cfg` before them."""

import os
import shutil
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import redis

from tests.conftest import ROOT
from tests.system import until
from tools.local import binaries, ports

HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
GROUP = "weelo"
SENTINEL = """
port {port}
bind 127.0.0.1
dir {directory}
sentinel monitor {group} 127.0.0.1 {primary} 1
sentinel down-after-milliseconds {group} 1000
sentinel failover-timeout {group} 3000
"""


class Pair:
    """Both servers, by their ports; the one of ``primary`` takes writes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._ports = [ports.free(), ports.free()]
        self._sentinel, self._front = ports.free(), ports.free()
        self.url = f"redis://127.0.0.1:{self._front}/0"

    def __enter__(self) -> "Pair":
        one, two = self._ports
        with ExitStack() as stack:
            stack.callback(self._stop)
            self._start(one)
            self._start(two, "--replicaof", "127.0.0.1", str(one))
            self._start_sentinel(one)
            self._start_haproxy(one, two)
            until(lambda: self._works(self._front) and self._replicas(one) == 1, 20, "the pair is not ready")
            stack.pop_all()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop()

    @property
    def primary(self) -> int:
        """The port of the one that Sentinel takes for the primary."""
        with redis.Redis(port=self._sentinel, decode_responses=True) as client:
            found: list[str] = client.execute_command("SENTINEL", "get-master-addr-by-name", GROUP)
            return int(found[1])

    def kill(self) -> None:
        """Kills the primary."""
        self._processes[self.primary].kill()

    def fail_over(self) -> None:
        """On purpose, as before the maintenance of a server."""
        with redis.Redis(port=self._sentinel) as client:
            client.execute_command("SENTINEL", "failover", GROUP)

    def restore(self, before: int) -> None:
        """Waits for another primary than that of ``before``, and has the old one follow it."""
        until(lambda: self.primary != before and self._works(self.primary), 20, "Sentinel has done nothing")
        if self._processes[before].poll() is not None:
            self._start(before, "--replicaof", "127.0.0.1", str(self.primary))
        until(lambda: self._replicas(self.primary) == 1 and self._known(), 30, "no replica again")

    def _start(self, port: int, *more: str) -> None:
        folder = self._directory / str(port)
        folder.mkdir(exist_ok=True)
        command: list[str | Path] = [
            binaries.valkey(),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
            *more,
        ]
        self._run(port, *command, "--appendonly", "yes", "--repl-diskless-sync-delay", "0")

    def _start_sentinel(self, primary: int) -> None:
        file = self._directory / "sentinel.conf"
        values = {"port": self._sentinel, "directory": self._directory, "group": GROUP, "primary": primary}
        file.write_text(SENTINEL.format(**values))
        self._run(self._sentinel, binaries.valkey(), file, "--sentinel")
        until(lambda: self._works(self._sentinel) and self._known(), 20, "Sentinel does not see the pair")

    def _start_haproxy(self, one: int, two: int) -> None:
        text = (ROOT / "deploy/haproxy.cfg").read_text()
        for found, put in {
            "bind :6379": f"bind 127.0.0.1:{self._front}",
            "redis-1:6379": f"127.0.0.1:{one}",
            "redis-2:6379": f"127.0.0.1:{two}",
        }.items():
            assert found in text
            text = text.replace(found, put)
        file = self._directory / "haproxy.cfg"
        file.write_text(text)
        self._run(self._front, HAPROXY or "", "-db", "-f", file)

    def _run(self, port: int, *command: str | Path) -> None:
        with (self._directory / f"{port}.log").open("ab") as log:
            self._processes[port] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def _works(self, port: int) -> bool:
        try:
            with redis.Redis(port=port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _replicas(self, port: int) -> int:
        try:
            with redis.Redis(port=port, socket_timeout=1) as client:
                info = client.info("replication")
        except redis.RedisError:
            return 0
        return sum("'online'" in str(value) for value in info.values())

    def _known(self) -> bool:
        """Whether Sentinel has a replica to promote."""
        with redis.Redis(port=self._sentinel) as client:
            found = client.sentinel_slaves(GROUP)
        return any(not replica["is_disconnected"] and not replica["is_sdown"] for replica in found)

    def _stop(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGKILL)
            process.wait()
