"""A host of its own for a process: a network namespace with a line to the stores and one to the balancer."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

IP = shutil.which("ip")
# An Ethernet address that nobody has: what is sent there is gone, and nobody says so.
NOBODY = "02:00:00:00:00:99"


@dataclass(frozen=True)
class Host:
    """Addresses on both sides of both lines, and the name of the namespace."""

    name: str
    stores: str
    address: str
    _stores_side: str

    @property
    def enter(self) -> Sequence[str]:
        """The words before a command that runs there."""
        return (IP or "", "netns", "exec", self.name)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """No packet passes between it and the stores, neither way; connections stay open on both sides."""
        inside, outside = ("-n", self.name), ()
        ends = ((inside, self.stores, "stores"), (outside, self._stores_side, f"{self.name}s"))
        for where, address, line in ends:
            _ip(*where, "neigh", "replace", address, "lladdr", NOBODY, "dev", line, "nud", "permanent")
        try:
            yield
        finally:
            for where, address, line in ends:
                _ip(*where, "neigh", "del", address, "dev", line)


@contextmanager
def host(name: str, number: int) -> Iterator[Host]:
    """``name``: at most 8 letters. Needs root. The stores have to listen on ``stores`` too."""
    made = Host(name, f"10.213.{number}.1", f"10.214.{number}.2", _stores_side=f"10.213.{number}.2")
    with ExitStack() as stack:
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "del", name)
        _ip("-n", name, "link", "set", "lo", "up")
        for line, network in (("stores", f"10.213.{number}"), ("balancer", f"10.214.{number}")):
            outside = f"{name}{line[0]}"
            _ip("link", "add", outside, "type", "veth", "peer", "name", line, "netns", name)
            stack.callback(_ip, "link", "del", outside)
            _ip("addr", "add", f"{network}.1/24", "dev", outside)
            _ip("link", "set", outside, "up")
            _ip("-n", name, "addr", "add", f"{network}.2/24", "dev", line)
            _ip("-n", name, "link", "set", line, "up")
        yield made


def _ip(*words: str) -> None:
    done = subprocess.run([IP or "", *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
