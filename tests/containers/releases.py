"""What deploy/*.sh promise of docker-compose.yml: a release without a gap, a backup, and a restore."""

import asyncio
import time
from pathlib import Path
from uuid import uuid4

from tests.containers.load import Load
from tests.containers.stack import ORDER_TTL_SECONDS, Stack, wait_for

ORDERS_PER_SECOND = 5
REPLACED = ("web", "orders", "sweeps", "beat", "flower")
# Nobody can find this one healthy.
SICK = "FROM weelo\nHEALTHCHECK --interval=1s --retries=1 --start-period=1s CMD false\n"
SEARCHING = "SELECT count(*) FROM orders WHERE searching"


def _load(stack: Stack, drivers: int = 0) -> Load:
    return Load(stack.url, stack.secrets["JWT_SECRET"], ORDERS_PER_SECOND, drivers)


def _ids(stack: Stack, *services: str) -> set[str]:
    return {container["Id"] for name in services for container in stack.containers(name)}


def _refusal(stack: Stack, *script: str, **more: str) -> str:
    """What a script of deploy/ complains about when it refuses."""
    try:
        stack.deploy(*script, **more)
    except RuntimeError as error:
        return str(error)
    raise AssertionError(f"not refused: {script}")


def released(stack: Stack) -> str:
    """C.3: another image under orders: no answer but those of the contract, each socket cut once."""
    before = _ids(stack, *REPLACED)
    label = uuid4().hex
    stack.docker("buildx", "build", "--quiet", "--label", f"release={label}", "--tag", "weelo", ".")
    load = _load(stack, drivers=20)
    begun = time.monotonic()
    load.beside(lambda: stack.deploy("release.sh"))
    took = time.monotonic() - begun
    after = [container for name in REPLACED for container in stack.containers(name)]
    assert not before & {container["Id"] for container in after}
    assert len(after) == len(before), after
    assert {container["Config"]["Labels"].get("release") for container in after} == {label}
    firsts = load.firsts()
    assert not (missing := asyncio.run(load.lost())), missing
    assert load.gaps, "no socket was cut"
    stack.holds("first answers 409", load.but("201", "202", "503 with Retry-After"), 0)
    stack.holds("times that a socket was cut", max(load.cuts.values()), 1)
    stack.holds("s until a cut socket is back", max(load.gaps), 5)
    cuts = f"{load.drivers} sockets cut {load.cuts.total()} times in all"
    sockets = f"{cuts}, back within {max(load.gaps):.1f} s"
    return f"{took:.0f} s of orders, first answers: {firsts}; none lost; {sockets}"


def refused(stack: Stack) -> str:
    """C.3: a release that is not healthy: the one before goes on, with nothing beside it."""
    before = _ids(stack, *REPLACED)
    sick = stack.directory / "sick"
    sick.mkdir()
    (sick / "Dockerfile").write_text(SICK)
    stack.docker("tag", "weelo", "weelo-well")
    stack.docker("buildx", "build", "--quiet", "--tag", "weelo", str(sick))
    said = _refusal(stack, "release.sh", HEALTHY_SECONDS="10")
    stack.docker("tag", "weelo-well", "weelo")
    assert "the old one goes on" in said, said
    assert _ids(stack, *REPLACED) == before
    assert stack.is_ready()
    return "the release before goes on"


def restored(stack: Stack) -> str:
    """D: under orders a backup, then more orders, then a restore: each key as the file has it."""
    file = stack.directory / "weelo.dump"
    before, during, after = _load(stack), _load(stack), _load(stack)
    before.beside(lambda: None)
    during.beside(lambda: stack.deploy("backup.sh", str(file)))
    after.beside(lambda: None)
    _refuses_half_a_file(stack, file)
    begun = time.monotonic()
    stack.deploy("restore.sh", str(file))
    took = time.monotonic() - begun
    wait_for(stack.is_ready, 60, "/ready after a restore")
    dumped = set(stack.sql("SELECT customer_id FROM admissions"))
    ended = wait_for(lambda: stack.sql(SEARCHING) == ["0"], ORDER_TTL_SECONDS + 2, "the end of all searches")
    sent = [*before.sent, *during.sent, *after.sent]
    assert {order.customer for order in before.sent} <= dumped
    assert not {order.customer for order in after.sent} & dumped
    lost = {name for load in (before, during, after) for name in asyncio.run(load.lost())}
    assert lost == {order.customer for order in sent} - dumped, lost
    drivers = _load(stack, drivers=3)
    drivers.beside(lambda: None)
    assert drivers.offers, "no driver was found after the restore"
    kept = sum(order.customer in dumped for order in sent)
    said = f"{kept} of {len(sent)} keys answer with the file's orders, the others are new"
    return f"restored in {took:.1f} s; {said}; searches ended {ended:.0f} s after /ready; drivers found"


def _refuses_half_a_file(stack: Stack, file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    half = stack.directory / "half.dump"
    half.write_bytes(file.read_bytes()[:-2000])
    before = _ids(stack, *REPLACED)
    said = _refusal(stack, "restore.sh", str(half))
    assert "is no whole backup; nothing was changed" in said, said
    assert _ids(stack, *REPLACED) == before
