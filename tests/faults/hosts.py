"""A system on two hosts. The second is a network namespace, with a line to the stores and one to the web."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from tests.faults.fleet import NAMES, Fleet
from tests.faults.sentinel import HAPROXY
from tests.system import listens, ready, until
from tools.local import leash, ports

IP = shutil.which("ip")
# An Ethernet address that nobody has: what is sent there is gone, and nobody says so.
NOBODY = "02:00:00:00:00:99"
STORES, WEBS = "10.213.1", "10.214.1"
# A balancer that asks each web server once a second, and the way of the other host to the stores.
BALANCER = """
defaults
    timeout connect 1s
    timeout client 1h
    timeout server 1h

listen webs
    mode http
    bind 127.0.0.1:{front}
    option forwardfor
    option httpchk GET /ready/web
    timeout check 1s
    default-server check inter 1s fall 2 rise 1
    server one {one}
    server two {two}
    stats enable
    stats uri /balancer
"""
FORWARDED = """
listen {name}
    mode tcp
    bind {address}:{port}
    server store 127.0.0.1:{port}
"""


@dataclass(frozen=True)
class SecondHost:
    """``name`` is that of the namespace, at most 8 letters."""

    name: str
    # Of the stores, which have to listen there too, and its own on the side of the balancer.
    stores: str = f"{STORES}.1"
    address: str = f"{WEBS}.2"

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
def second_host(name: str) -> Iterator[SecondHost]:
    """One at a time. Needs root."""
    with ExitStack() as stack:
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "del", name)
        _ip("-n", name, "link", "set", "lo", "up")
        for line, network in (("stores", STORES), ("balancer", WEBS)):
            outside = f"{name}{line[0]}"
            _ip("link", "add", outside, "type", "veth", "peer", "name", line, "netns", name)
            stack.callback(_ip, "link", "del", outside)
            _ip("addr", "add", f"{network}.1/24", "dev", outside)
            _ip("link", "set", outside, "up")
            _ip("-n", name, "addr", "add", f"{network}.2/24", "dev", line)
            _ip("-n", name, "link", "set", line, "up")
        yield SecondHost(name)


@dataclass
class TwoHosts:
    """A system of two of each process, one of them on another host."""

    fleet: Fleet
    host: SecondHost
    directory: Path
    remote: str
    front: int = field(default_factory=ports.free)

    @property
    def url(self) -> str:
        """The balancer's address."""
        return f"http://127.0.0.1:{self.front}"

    def address(self, web: str) -> str:
        """Host and port of a web server itself."""
        there = self.host.address if web == self.remote else "127.0.0.1"
        return f"{there}:{self.fleet.port(web)}"

    def start(self) -> None:
        """Starts all processes, the ``remote`` one on the second host; the stores are there."""
        stores = {name: url.replace("127.0.0.1", self.host.stores) for name, url in self.fleet.stores.items()}
        for name in NAMES:
            if name == self.remote:
                self.fleet.launch(name, *self.host.enter, HOST=self.host.address, **stores)
            else:
                self.fleet.launch(name)
        for web in ("web1", "web2"):
            until(partial(ready, f"http://{self.address(web)}"), 40, str(self.directory))

    @contextmanager
    def balanced(self) -> Iterator[None]:
        """The balancer and the second host's way to the stores, for the time of the block."""
        text = BALANCER.format(front=self.front, one=self.address("web1"), two=self.address("web2"))
        for store in (self.fleet.postgres, self.fleet.valkey):
            text += FORWARDED.format(name=store.name, address=self.host.stores, port=store.port)
        (self.directory / "haproxy.cfg").write_text(text)
        with (self.directory / "haproxy.log").open("wb") as log:
            process = subprocess.Popen(
                [HAPROXY or "", "-db", "-f", self.directory / "haproxy.cfg"], stdout=log, stderr=log
            )
        leash.hold(process.pid, signal.SIGTERM)
        try:
            until(partial(listens, f"{self.url}/balancer"), 10)
            yield
        finally:
            process.terminate()
            process.wait(10)
            leash.release(process.pid)

    def uses(self, server: str) -> bool:
        """Whether the balancer sends requests there."""
        for line in httpx.get(f"{self.url}/balancer;csv", timeout=5).text.splitlines():
            if line.startswith(f"webs,{server},"):
                return ",UP," in line
        raise AssertionError(server)


def _ip(*words: str) -> None:
    done = subprocess.run([IP or "", *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
