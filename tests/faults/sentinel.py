"""Two Redis, three Sentinels that fail them over, and `deploy/haproxy.cfg` before them."""

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
sentinel monitor {group} 127.0.0.1 {primary} 2
sentinel down-after-milliseconds {group} 1000
sentinel failover-timeout {group} 3000
"""


class Pair:
    """Both servers, by their ports; the one of ``primary`` takes writes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._ports = [ports.free(), ports.free()]
        self._sentinels, self._front = [ports.free() for _ in range(3)], ports.free()
        self.url = f"redis://127.0.0.1:{self._front}/0"

    def __enter__(self) -> "Pair":
        one, two = self._ports
        with ExitStack() as stack:
            stack.callback(self._stop)
            self._start(one)
            self._start(two, "--replicaof", "127.0.0.1", str(one))
            for sentinel in self._sentinels:
                self._start_sentinel(sentinel, one)
            until(self._agree, 30, "the Sentinels do not see the pair and each other")
            self._start_haproxy(one, two)
            until(lambda: self._works(self._front) and self._replicas(one) == 1, 20, "the pair is not ready")
            stack.pop_all()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop()

    @property
    def primary(self) -> int:
        """The port of the one that the first Sentinel takes for the primary."""
        return self._primary_of(self._sentinels[0])

    def kill(self) -> None:
        """Kills the primary."""
        self._processes[self.primary].kill()

    def fail_over(self) -> None:
        """On purpose, as before the maintenance of a server."""
        with redis.Redis(port=self._sentinels[0]) as client:
            client.execute_command("SENTINEL", "failover", GROUP)

    def restore(self, before: int) -> None:
        """Waits for another primary than that of ``before``, and has the old one follow it."""
        until(lambda: self.primary != before and self._works(self.primary), 20, "Sentinel has done nothing")
        if self._processes[before].poll() is not None:
            self._start(before, "--replicaof", "127.0.0.1", str(self.primary))
        until(lambda: self._replicas(self.primary) == 1 and self._agree(), 60, "no replica again")

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

    def _start_sentinel(self, port: int, primary: int) -> None:
        file = self._directory / f"sentinel-{port}.conf"
        file.write_text(SENTINEL.format(port=port, directory=self._directory, group=GROUP, primary=primary))
        self._run(port, binaries.valkey(), file, "--sentinel")
        until(lambda: self._works(port), 20, "a Sentinel does not start")

    def _start_haproxy(self, one: int, two: int) -> None:
        text = (ROOT / "deploy/haproxy.cfg").read_text()
        text = _put(text, "bind :6379", f"bind 127.0.0.1:{self._front}")
        for address, port in {"10.0.0.11": one, "10.0.0.12": two}.items():
            text = _put(text, f"{address}:6379", f"127.0.0.1:{port}")
            text = _put(text, f'string "{address}', f'string "{port}')
        for number, port in enumerate(self._sentinels, 1):
            text = _put(text, f"addr 10.0.0.2{number} port 26379", f"addr 127.0.0.1 port {port}")
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

    def _primary_of(self, sentinel: int) -> int:
        with redis.Redis(port=sentinel, decode_responses=True) as client:
            found: list[str] = client.execute_command("SENTINEL", "get-master-addr-by-name", GROUP)
            return int(found[1])

    def _agree(self) -> bool:
        """Whether all Sentinels name the same primary, know each other, and have a replica to promote."""
        return len({self._primary_of(sentinel) for sentinel in self._sentinels}) == 1 and all(
            map(self._can_fail_over, self._sentinels)
        )

    @staticmethod
    def _can_fail_over(sentinel: int) -> bool:
        with redis.Redis(port=sentinel) as client:
            replicas, others = client.sentinel_slaves(GROUP), client.sentinel_sentinels(GROUP)
        return len(others) == 2 and any(
            not replica["is_disconnected"] and not replica["is_sdown"] for replica in replicas
        )

    def _stop(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGKILL)
            process.wait()


def _put(text: str, found: str, put: str) -> str:
    assert found in text
    return text.replace(found, put)
