"""A host of its own for a process: a network namespace with a line to the stores and one to the balancer."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

IP = shutil.which("ip")
# An Ethernet address that nobody has: what is sent there is gone, and nobody says so.
NOBODY = "02:00:00:00:00:99"
STORES, BALANCER = "10.213.1", "10.214.1"


@dataclass(frozen=True)
class Host:
    """``name`` is that of the namespace, at most 8 letters."""

    name: str
    # Of the stores, which have to listen there too, and its own on the side of the balancer.
    stores: str = f"{STORES}.1"
    address: str = f"{BALANCER}.2"

    @property
    def enter(self) -> tuple[str, ...]:
        """The words before a command that runs there."""
        return (IP or "", "netns", "exec", self.name)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """No packet passes between it and the stores, neither way; connections stay open on both sides."""
        ends = ((("-n", self.name), self.stores, "stores"), ((), f"{STORES}.2", f"{self.name}s"))
        for where, address, line in ends:
            _ip(*where, "neigh", "replace", address, "lladdr", NOBODY, "dev", line, "nud", "permanent")
        try:
            yield
        finally:
            for where, address, line in ends:
                _ip(*where, "neigh", "del", address, "dev", line)


@contextmanager
def host(name: str) -> Iterator[Host]:
    """One at a time. Needs root."""
    with ExitStack() as stack:
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "del", name)
        _ip("-n", name, "link", "set", "lo", "up")
        for line, network in (("stores", STORES), ("balancer", BALANCER)):
            outside = f"{name}{line[0]}"
            _ip("link", "add", outside, "type", "veth", "peer", "name", line, "netns", name)
            stack.callback(_ip, "link", "del", outside)
            _ip("addr", "add", f"{network}.1/24", "dev", outside)
            _ip("link", "set", outside, "up")
            _ip("-n", name, "addr", "add", f"{network}.2/24", "dev", line)
            _ip("-n", name, "link", "set", line, "up")
        yield Host(name)


def _ip(*words: str) -> None:
    done = subprocess.run([IP or "", *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
