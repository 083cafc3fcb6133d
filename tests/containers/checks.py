"""What docker-compose.yml promises, looked at in its containers; each check says what it found."""

import asyncio
import os
import re
import signal
import time
from pathlib import Path
from uuid import uuid4

import httpx

from tests import scenes
from tests.containers.load import Load, token
from tests.containers.stack import Stack, wait_for
from tools.audit.sbom import components

IMAGE_BYTES = 125_000_000
IDLE_SECONDS = 60
IDLE_CPU_MS = 60
LOAD_SECONDS = 30


def image(stack: Stack) -> str:
    """A.3: its size, one id for all, no secret in it, nothing installed that is not pinned."""
    sizes = [
        int(stack.docker("image", "inspect", "-f", "{{.Size}}", name))
        for name in ("weelo", "python:3.13-slim")
    ]
    more = sizes[0] - sizes[1]
    ids = {container["Image"] for container in stack.containers() if container["Config"]["Image"] == "weelo"}
    assert more <= IMAGE_BYTES, more
    assert len(ids) == 1, ids
    layers = stack.docker("history", "--no-trunc", "weelo") + stack.docker("image", "inspect", "weelo")
    assert not [name for name, secret in stack.secrets.items() if secret in layers]
    assert not re.search(r"PASSWORD|SECRET|TOKEN", layers, re.IGNORECASE)
    code = "import importlib.metadata as m; print(*{each.name for each in m.distributions()})"
    names = stack.docker("run", "--rm", "weelo", "python", "-c", code).split()
    installed = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
    pinned = {component["name"] for component in components()}
    assert installed <= pinned, installed - pinned
    return f"{more / 1e6:.1f} MB over its base, one id, no secret, {len(installed)} packages, all in the SBOM"


def closed(stack: Stack) -> str:
    """A.4: no process of root, no capability, no way to new ones, nothing to write on."""
    processes = 0
    for container in stack.containers():
        for pid in stack.pids(container):
            said = dict(re.findall(r"^(\w+):\s*(\S+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
            assert said["Uid"] != "0", (container["Name"], pid)
            assert int(said["CapEff"], 16) == 0, (container["Name"], said["CapEff"])
            assert said["NoNewPrivs"] == "1", container["Name"]
            processes += 1
        attempt = "touch /written 2>&1 || true"
        refusal = stack.docker("exec", "--user", "0", container["Id"], "sh", "-c", attempt)
        assert "Read-only" in refusal, (container["Name"], refusal)
    return f"{processes} processes: uid not 0, CapEff 0, NoNewPrivs 1; root file systems read-only"


def idle(stack: Stack) -> str:
    """A.5: what all of them cost when nothing is to be done."""
    before, begun = stack.cpu_seconds(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    cost = 1000 * (stack.cpu_seconds() - before) / (time.monotonic() - begun)
    stack.holds("CPU-ms a second when idle", cost, IDLE_CPU_MS)
    return f"{cost:.0f} CPU-ms a second over {IDLE_SECONDS} s, with health checks"


def _health(stack: Stack, name: str) -> str:
    return stack.docker("inspect", "-f", "{{.State.Health.Status}}", name).strip()


def stopped_worker(stack: Stack) -> str:
    """A.5: one of several `orders` is stopped: that one is unhealthy, the others are not."""
    first, *others = [container["Name"].strip("/") for container in stack.containers("orders")]
    [frozen] = [named for named in stack.containers("orders") if named["Name"].strip("/") == first]
    pids = stack.pids(frozen)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        took = wait_for(lambda: _health(stack, first) == "unhealthy", 60, "the health of a stopped worker")
        stack.holds("s until a stopped worker is unhealthy", took, 30)
        assert {_health(stack, name) for name in others} == {"healthy"}
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_for(lambda: _health(stack, first) == "healthy", 60, "the health of a worker that goes on")
    return f"unhealthy after {took:.0f} s, the other {len(others)} healthy"


def story(stack: Stack) -> str:
    """A.6: through nginx: an order, its key again, a second one refused, and another after a cancel."""
    wait_for(stack.is_ready, 30, "/ready")
    headers = token(stack.secrets["JWT_SECRET"], "customer", f"asha-{uuid4().hex[:6]}")
    keyed = headers | {"X-Idempotency-Key": uuid4().hex}
    with httpx.Client(base_url=f"{stack.url}/api/v1", timeout=20) as client:
        placed = client.post("/orders", json=scenes.body(), headers=keyed)
        again = client.post("/orders", json=scenes.body(), headers=keyed)
        second = client.post("/orders", json=scenes.body(), headers=headers)
        order = placed.json()["data"]["order"]["id"]
        cancelled = client.post(f"/orders/{order}/cancel", json={"reason": "changed"}, headers=headers)
        after = client.post("/orders", json=scenes.body(), headers=headers)
    assert (placed.status_code, again.status_code, again.content) == (201, 201, placed.content)
    assert (second.status_code, second.json()["error"]["code"]) == (409, "ACTIVE_ORDER_EXISTS")
    assert (cancelled.status_code, after.status_code) == (200, 201)
    return "201, replayed, 409, cancelled and 201"


def killed(stack: Stack) -> str:
    """A.6: one of three `web` and one of three `orders` are killed while orders come and sockets are open."""
    load = Load(stack.url, stack.secrets["JWT_SECRET"])

    def kill() -> None:
        for service in ("web", "orders"):
            time.sleep(LOAD_SECONDS / 3)
            os.kill(stack.containers(service)[0]["State"]["Pid"], signal.SIGKILL)
        time.sleep(LOAD_SECONDS / 3)

    load.beside(kill)
    firsts = load.firsts()
    missing = asyncio.run(load.lost())
    assert not missing, missing
    assert load.gaps, "no socket was cut"
    stack.holds("first answers but 201 and 202", load.but("201", "202"), 0)
    stack.holds("s until a cut socket is back", max(load.gaps), 2)
    sockets = f"{len(load.gaps)} sockets cut and back within {max(load.gaps):.1f} s"
    return f"first answers: {firsts}; none lost; {sockets}, {load.offers} offers heard"


def disk(stack: Stack, most: int) -> str:
    """A.2: what all of this takes."""
    found = stack.disk_bytes()
    assert found <= most, found
    return f"{found / 1e9:.2f} GB"


def restarted_engine(stack: Stack) -> str:
    """A.6: the engine ends and begins again, and nobody does anything."""
    stack.script("engine.sh", "restart")
    took = wait_for(stack.is_ready, 60, "/ready after the engine began again")
    stack.holds("s until /ready after a start of the engine", took, 20)
    return f"ready {took:.1f} s after its start"


def stop(stack: Stack) -> str:
    """A.6: all containers stop in time, and each says that it ended as it should."""
    names = [container["Name"].strip("/") for container in stack.containers()]
    begun = time.monotonic()
    stack.compose("stop")
    took = time.monotonic() - begun
    codes = {name: int(stack.docker("inspect", "-f", "{{.State.ExitCode}}", name)) for name in names}
    assert set(codes.values()) == {0}, codes
    stack.holds("s until all have stopped", took, 5)
    return f"{took:.1f} s, {len(names)} exit codes 0"
