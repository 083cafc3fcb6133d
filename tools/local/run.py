"""`make run`: the whole system on this machine, from an empty checkout to a `curl` line that works.

With DATABASE_URL or REDIS_URL set, that server is used and none of its kind is started.
"""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

from models import settings
from tools.demo.control import Demo
from tools.local import binaries, conditions, env_file, leash, ports, procfile, running, surroundings, welcome
from tools.local.conditions import Refusal
from tools.local.output import Output
from tools.local.server import Server, StoreError
from tools.local.stopping import Stopping
from tools.local.stores import Postgres, Valkey
from tools.local.supervisor import Process, Supervisor
from tools.robo.control import Robots

MIGRATE = (sys.executable, "-m", "alembic", "-c", "models/migrations/alembic.ini", "upgrade", "head")

# Far longer than a start takes on a slow machine; then it says what is missing and goes on trying.
SAY_WHY_AFTER = 90.0
SAY_WAITING_EVERY = 10.0
LOOK_EVERY = 0.1
ASK_READY_EVERY = 0.5
# Nobody lives when the store starts; what a killed run has left would say otherwise for 15 s.
SIGNS_OF_LIFE = "alive:*"
# Enough for a simulated city to call off what it can; the rest ends by itself, as after any loss.
CITY_GOES_WITHIN = 1.5
# Of a trip that is running, six requests are left, and one to go off duty.
ROBOTS_GO_WITHIN = 1.5


class Stopped(Exception):
    """Somebody asked for the end before the start was over."""


class Launcher:
    """One run of the system, from the first server to the last."""

    def __init__(self, configured: settings.Settings, stopping: Stopping) -> None:
        commands = procfile.read(running.ROOT / "Procfile")
        self._stopping = stopping
        self._output = Output(list(commands), running.LOGS)
        self._environment = conditions.environment(configured)
        self._stores: dict[str, Server] = {}
        for setting, store in (
            ("DATABASE_URL", Postgres(running.DIRECTORY / "postgres")),
            ("REDIS_URL", Valkey(running.DIRECTORY / "valkey")),
        ):
            if not self._environment.get(setting):
                store.stopping = lambda: stopping.asked
                self._stores[setting] = store
        processes = [
            Process(name, command, self._environment, running.ROOT, self._output)
            for name, command in commands.items()
        ]
        self._supervisor = Supervisor(processes, self._output)
        self._noted: dict[str, int | None] = {}
        self._city = Demo(Path(configured.demo_directory))
        self._robots = Robots(Path(configured.demo_directory))

    def run(self) -> None:
        """Starts everything, stays until asked to stop, and stops everything. Raises StoreError, Missing."""
        started = time.monotonic()
        try:
            self._start_stores()
            self._migrate()
            self._supervisor.start()
            self._until_ready(started)
            self._supervisor.patient = True
            self._welcome(time.monotonic() - started)
            while True:
                self._tend()
        except Stopped:
            pass
        finally:
            self._stop()

    def _start_stores(self) -> None:
        for setting, store in self._stores.items():
            self._go_on()
            try:
                self._environment[setting] = store.start()
            finally:
                # Asked to stop meanwhile, which is no failure of the store's.
                self._go_on()
            self._output.say(f"{store.name} listens on {ports.LOOPBACK}:{store.port}")
            if isinstance(store, Valkey):
                store.forget(SIGNS_OF_LIFE)

    def _migrate(self) -> None:
        self._go_on()
        with subprocess.Popen(
            MIGRATE,
            cwd=running.ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as migration:
            try:
                said = self._await(migration)
            finally:
                migration.kill()
        if migration.returncode:
            self._output.say(said)
            raise Refusal("the migrations failed; what alembic said is above.")

    def _await(self, migration: "subprocess.Popen[str]") -> str:
        while True:
            self._go_on()
            with contextlib.suppress(subprocess.TimeoutExpired):
                return migration.communicate(timeout=LOOK_EVERY)[0]

    def _until_ready(self, started: float) -> None:
        tell_at, explained = started + SAY_WAITING_EVERY, False
        while not (answer := welcome.ask_ready(self._environment)).ready:
            self._tend_for(ASK_READY_EVERY)
            now = time.monotonic()
            if now - started > SAY_WHY_AFTER and not explained:
                self._output.say(f"not ready after {SAY_WHY_AFTER:.0f} s; {answer.url} says: {answer.text}")
                explained = True
            elif now > tell_at:
                self._output.say(f"waiting for {answer.url} ({now - started:.0f} s)")
                tell_at = now + SAY_WAITING_EVERY

    def _welcome(self, seconds: float) -> None:
        self._output.plain(welcome.text(self._environment, list(self._stores.values()), seconds))

    def _tend_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._tend()

    def _tend(self) -> None:
        self._go_on()
        for setting, store in self._stores.items():
            if store.pid is None:
                self._revive(setting, store)
        self._supervisor.tend()
        if name := self._supervisor.hopeless:
            raise Refusal(f"{name} does not start; what it said is above.")
        self._note()
        time.sleep(LOOK_EVERY)

    def _revive(self, setting: str, store: Server) -> None:
        self._output.say(f"{store.name} has ended; starting it again")
        try:
            url = store.start()
        except StoreError as error:
            self._output.say(str(error))
            time.sleep(1)
            return
        self._output.say(f"{store.name} listens again on {ports.LOOPBACK}:{store.port}")
        if url != self._environment[setting]:
            # Its port was taken; everybody has to learn the new one.
            self._environment[setting] = url
            self._supervisor.kill()

    def _note(self) -> None:
        """Leaves a note of where everything is, again whenever a process is."""
        pids = self._supervisor.pids | {store.name.lower(): store.pid for store in self._stores.values()}
        if pids != self._noted:
            self._noted = pids
            running.write(welcome.note(self._environment, pids))

    def _go_on(self) -> None:
        if self._stopping.asked or self._output.broken:
            raise Stopped

    def _stop(self) -> None:
        began = time.monotonic()
        self._output.say("stopping (Ctrl-C again to hurry)")
        self._end_the_city()
        self._robots.stop(0 if self._stopping.hurried() else ROBOTS_GO_WITHIN)
        self._supervisor.stop(self._stopping.hurried)
        for store in reversed(self._stores.values()):
            store.stop()
        self._output.say(f"stopped in {time.monotonic() - began:.1f} s")

    def _end_the_city(self) -> None:
        """Ends a simulated city that lives on this system, whether a button or `make demo` started it."""
        if self._city.status().get("url") != welcome.web(self._environment):
            return
        self._output.say("sending the simulated city home")
        if not self._city.stop(0 if self._stopping.hurried() else CITY_GOES_WITHIN):
            self._city.kill()


def main() -> int:
    stopping = Stopping()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a rupee sign is no reason to stop.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        with contextlib.ExitStack() as claims:
            lock = conditions.claim_patiently(claims, stopping)
            env_file.read()
            surroundings.forget_strangers()
            configured = settings.load()
            configured.require(settings.OF_WEB)
            settings.server()
            conditions.refuse_taken_ports(configured)
            conditions.refuse_silent_servers(configured, stopping)
            leash.begin(keep=(lock,))
            Launcher(configured, stopping).run()
    except (Refusal, StoreError, binaries.Missing) as sentence:
        print(f"weelo: {sentence}", file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(f"weelo: {error.filename} is missing: `make clean`, then try again.", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"weelo: {error.filename} is not ours: run as its owner, or remove it.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
