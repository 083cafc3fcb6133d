"""An operator who knows nothing but docs/runbook.md: reads the row of a part, and does what it says."""

import os
import re
import signal
import subprocess
from dataclasses import dataclass

from tests.conftest import ROOT, Stores
from tests.soak.server import children
from tests.system import System
from tools.local.server import Server

# | `part` | what is wrong | what to do |
ROW = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """What the runbook says of a part."""

    wrong: str
    advice: str


def rows() -> dict[str, Row]:
    """The rows of both tables of "Is the system healthy?"."""
    page = (ROOT / "docs/runbook.md").read_text()
    return {part: Row(wrong, advice) for part, wrong, advice in ROW.findall(page)}


def commands(paragraph: str) -> list[str]:
    """What a paragraph of the page has in backticks, on one line or two, as it is typed."""
    page = (ROOT / "docs/runbook.md").read_text()
    [text] = re.findall(rf"^## {re.escape(paragraph)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)]


@dataclass(frozen=True)
class Operator:
    """Hurts parts of a system, and follows the runbook."""

    system: System
    stores: Stores

    def freeze(self, part: str) -> None:
        for pid in _family(self._pid(part)):
            os.kill(pid, signal.SIGSTOP)

    def kill(self, part: str) -> None:
        """Ends a part with all below it, frozen or not."""
        if server := self._server(part):
            for pid in _family(server.pid) if server.pid else ():
                os.kill(pid, signal.SIGKILL)
            server.kill()
        elif self.system.processes[part].poll() is None:
            os.killpg(self.system.processes[part].pid, signal.SIGKILL)
            self.system.processes[part].wait()

    def follow(self, part: str) -> None:
        """Does what the row of a part says. Raises ``AssertionError`` if nothing of it can be done."""
        advice = rows()[part].advice
        done = False
        for store, name in (("Postgres", "postgres"), ("Redis", "redis")):
            if f"start {store} again" in advice and (done := True) and not self._works(name):
                self._start(name)
        if lines := re.search(r"start the Procfile's ((?:`\w+`(?: or )?)+) line", advice):
            done = True
            for name in re.findall(r"`(\w+)`", lines[1]):
                if not self._works(name):
                    self._start(name)
        if "if they run and finish nothing, restart them" in advice:
            done = True
            for name in ("orders", "sweeps"):
                self._start(name)
        for other in re.findall(r"`(\w+)`", advice) if advice.startswith("see ") else ():
            if other in rows():
                done = True
                self.follow(other)
        assert done, f"who follows this does nothing: {advice}"

    def type(self, command: str) -> "subprocess.Popen[str]":
        """A command of the page in a shell of the checkout, with the settings of the system."""
        return subprocess.Popen(
            ["sh", "-c", command],
            cwd=ROOT,
            env=self.system.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _start(self, name: str) -> None:
        """Starts a part again; one that is frozen is ended first."""
        self.kill(name)
        if server := self._server(name):
            server.start()
        else:
            self.system.run(name, self.system.commands[name])

    def _works(self, name: str) -> bool:
        server = self._server(name)
        pid = server.pid if server else self.system.processes[name].pid
        if not pid or (not server and self.system.processes[name].poll() is not None):
            return False
        # A process that is frozen is in state T.
        with open(f"/proc/{pid}/stat") as facts:
            return facts.read().rpartition(")")[2].split()[0] != "T"

    def _pid(self, part: str) -> int:
        server = self._server(part)
        pid = server.pid if server else self.system.processes[part].pid
        assert pid
        return pid

    def _server(self, part: str) -> Server | None:
        return {"postgres": self.stores.postgres, "redis": self.stores.valkey}.get(part)


def _family(pid: int) -> list[int]:
    """A process and all below it: Postgres' backends are no group of its own."""
    return [pid, *(below for child in children(pid) for below in _family(child))]
