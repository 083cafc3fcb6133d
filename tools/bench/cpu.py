"""CPU time by kind of process, from /proc: what holds on a machine that others use too."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

# The heads of the processes of each kind.
Kinds = Mapping[str, list[int]]
CLIENT = "client"
TICKS = os.sysconf("SC_CLK_TCK")


def seconds(kinds: Kinds) -> dict[str, float]:
    """User and system seconds so far of each kind with all its children, the dead ones included; a process
    belongs to the nearest head above it. This process itself is the kind ``client``.
    """
    family, every_head = _children(), frozenset(head for heads in kinds.values() for head in heads)
    found = {kind: sum(_tree(head, family, every_head) for head in heads) for kind, heads in kinds.items()}
    return found | {CLIENT: _own()}


def since(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """What was used between two readings, by kind."""
    return {kind: now[kind] - before.get(kind, 0.0) for kind in now}


def others() -> float:
    """Seconds so far that the machine's cores worked for anybody but this process and what it started."""
    user, nice, system, _, __, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    busy = (user + nice + system + irq + softirq + steal) / TICKS
    return busy - _tree(os.getpid(), _children())


def pids(head: int) -> list[int]:
    """A process and everything below it."""
    family = _children()
    found = [head]
    for pid in found:
        found += family.get(pid, [])
    return found


def own_seconds(pid: int) -> float:
    """User and system seconds so far of this process alone; 0 if it is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def _own() -> float:
    used = os.times()
    return used.user + used.system


def _tree(head: int, family: Mapping[int, list[int]], without: Collection[int] = ()) -> float:
    used, left = 0.0, [head]
    while left:
        pid = left.pop()
        left += (child for child in family.get(pid, []) if child not in without)
        fields = _stat(pid)
        # utime, stime, and both again of children that have ended and were waited for.
        used += sum(int(ticks) for ticks in fields[11:15]) / TICKS if fields else 0.0
    return used


def _children() -> dict[int, list[int]]:
    family: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            family.setdefault(int(fields[1]), []).append(int(entry.name))
    return family


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; empty if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
