"""The running system as a fault finds it: every process by name, killable and startable again."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools.local import leash, ports
from tools.local.procfile import read as read_procfile
from tools.local.stores import THROWAWAY_POSTGRES, Postgres, Valkey

# Two of everything, so that the death of one is somebody else's work and not an outage.
NAMES = ("web1", "web2", "orders1", "orders2", "sweeps1", "sweeps2", "beat1", "beat2")
# Longer than gunicorn's graceful time-out.
STOP_SECONDS = 12.0
START_SECONDS = 40.0
# Between a worker's word that it is ready and its first look for tasks.
SETTLE_SECONDS = 0.5


class Fleet:
    """Two stores and two of each process of the Procfile, from the tree at ``root``."""

    def __init__(self, root: Path, directory: Path, **settings: str) -> None:
        self.root, self.directory = root, directory
        directory.chmod(0o711)
        # The verdict asks when each transaction was committed.
        self.postgres = Postgres(
            directory / "postgres", {**THROWAWAY_POSTGRES, "track_commit_timestamp": "on"}
        )
        # As in production, the append-only file synced every second.
        self.valkey = Valkey(directory / "valkey")
        self.settings = settings
        self.web_ports: list[int] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands = read_procfile(root / "Procfile")
        self._ports: dict[str, int] = {}
        # How long each log was when its process was started last.
        self._logged: dict[str, int] = {}

    @property
    def stores(self) -> dict[str, str]:
        """The settings that name its two stores."""
        return {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url}

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "CELERY_BROKER_URL"},
            "APP_ENV": "development",
            "WEB_CONCURRENCY": "1",
            "ORDERS_PER_MINUTE": "0",
            **self.stores,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **self.settings,
        }

    def start(self, names: tuple[str, ...] = NAMES, tables: Path | None = None) -> None:
        """Starts the stores, the newest tables and these processes; returns when they are ready."""
        self.start_stores(tables)
        for name in names:
            self.launch(name)
        for port in self.web_ports:
            self._wait_for(port)

    def start_stores(self, tables: Path | None = None) -> None:
        """Starts the stores with the newest tables of its own tree or of another."""
        self.postgres.start()
        self.valkey.start()
        migrate = [sys.executable, "-m", "alembic", "-c", "models/migrations/alembic.ini", "upgrade", "head"]
        subprocess.run(
            migrate, cwd=tables or self.root, env=self.environment, check=True, capture_output=True
        )

    def stop(self) -> None:
        """Ends everything that was started and deletes the data."""
        for name in list(self.processes):
            self.kill(name)
        self.valkey.remove()
        self.postgres.remove()

    def forget(self) -> None:
        """Deletes the logs as well."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def launch(self, name: str, *before: str, **extra: str) -> None:
        """Starts one process again, a web process on its old port; ``before`` comes before its command."""
        line = name.rstrip("0123456789")
        command = [word.replace("@%h", f"{name[len(line) :]}@%h") for word in self._commands[line]]
        port = self.port(name) if line == "web" else 1
        environment = {**self.environment, "PORT": str(port), **extra}
        with (self.directory / f"{name}.log").open("ab") as log:
            self._logged[name] = log.tell()
            self.processes[name] = subprocess.Popen(
                [*before, *command],
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        leash.hold(self.processes[name].pid, signal.SIGKILL)

    def port(self, name: str) -> int:
        """The port of a web process, also of one that is launched later."""
        if name not in self._ports:
            self._ports[name] = ports.free()
            self.web_ports.append(self._ports[name])
        return self._ports[name]

    def kill(self, name: str) -> None:
        """SIGKILL to the process and all its children."""
        process = self.processes[name]
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        leash.release(process.pid)

    def retire(self, name: str) -> None:
        """Kills a process that is not started again."""
        self.kill(name)
        del self.processes[name]
        self.web_ports.remove(self._ports.pop(name))

    def terminate(self, name: str) -> float:
        """SIGTERM, as a deployment does it; how many seconds its end took (killed if too many)."""
        process, begun = self.processes[name], time.monotonic()
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
            leash.release(process.pid)
        except subprocess.TimeoutExpired:
            self.kill(name)
        return time.monotonic() - begun

    def children(self, name: str) -> list[int]:
        """The pool children of a worker, or the workers of a gunicorn."""
        parent = self.processes[name].pid
        return sorted(pid for pid in _pids() if _parent(pid) == parent)

    def settle(self, name: str) -> None:
        """Waits until a worker takes tasks. (One whose children all die before that ends itself: Celery
        takes it for a mistake in the set-up. Its supervisor starts it again.)
        """
        deadline = time.monotonic() + START_SECONDS
        while b" ready." not in (self.directory / f"{name}.log").read_bytes()[self._logged[name] :]:
            if time.monotonic() > deadline or self.processes[name].poll() is not None:
                raise AssertionError(f"{name} did not start; see {self.directory}")
            time.sleep(0.1)
        time.sleep(SETTLE_SECONDS)

    def ended(self) -> list[str]:
        """The processes that have ended by themselves: no fault may do that to any but its target."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    async def answers(self, port: int, path: str = "/health") -> bool:
        """Whether a web process answers 200 within a second."""
        writer = None
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
        except (OSError, TimeoutError):
            return False
        finally:
            if writer:
                writer.transport.abort()

    async def wait_until(self, port: int, path: str, seconds: float) -> bool:
        """Waits for :meth:`answers`; false if the time is over first."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if await self.answers(port, path):
                return True
            await asyncio.sleep(0.1)
        return False

    def _wait_for(self, port: int) -> None:
        if not asyncio.run(self.wait_until(port, "/ready", START_SECONDS)):
            raise AssertionError(f"/ready on port {port} did not turn green; see {self.directory}")


def _signal_group(group: int, signum: signal.Signals) -> None:
    try:
        os.killpg(group, signum)
    except ProcessLookupError:
        return


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
