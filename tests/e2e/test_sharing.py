"""A web server with two processes: one serves new orders, the other one everything else."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection

from server.roles import SILENT_SECONDS
from tests import raw
from tests.system import Person, System, listens, until

PEOPLE = 8
# One of ours may open or close a connection of its own while others are counted.
OWN = 3


def sockets(process: int) -> int:
    found = 0
    for link in Path(f"/proc/{process}/fd").iterdir():
        # One that was closed meanwhile is none.
        with suppress(FileNotFoundError):
            found += str(link.readlink()).startswith("socket:")
    return found


class Server:
    """One gunicorn with several processes."""

    def __init__(self, url: str, master: int) -> None:
        self.url, self.master = url, master

    @property
    def processes(self) -> list[int]:
        """The processes that serve, the oldest first."""
        return sorted(map(int, Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()))

    def gained(self, come: Callable[[ExitStack], object]) -> list[int]:
        """How many connections more each process has when people have come; they go again."""
        before = {process: sockets(process) for process in self.processes}
        with ExitStack() as stack:
            come(stack)
            meanwhile = {process: sockets(process) for process in before}
        # What is still open counts for the next ones.
        until(lambda: sum(map(sockets, before)) < sum(meanwhile.values()) - PEOPLE / 2)
        time.sleep(0.1)
        return [count - before[process] for process, count in meanwhile.items()]

    def order(self, stack: ExitStack) -> None:
        """Several customers have connections that stay open, on which they ordered (and were refused)."""
        self._send(stack, "POST", "/api/v1/orders", 401)

    def ask(self, stack: ExitStack) -> None:
        """Several clients have connections that stay open, and an answer each."""
        self._send(stack, "GET", "/health", 200)

    def order_after_asking(self, stack: ExitStack) -> None:
        """As connections of a proxy: different requests on each."""
        self._send(stack, "GET", "/health", 200, before_order=True)

    def ask_after_ordering(self, stack: ExitStack) -> None:
        """The same in the other direction."""
        for line in self._send(stack, "POST", "/api/v1/orders", 401):
            line.sendall(raw.request("GET", "/health"))
            assert raw.read(line).status == 200

    def _send(
        self, stack: ExitStack, method: str, path: str, status: int, before_order: bool = False
    ) -> list[socket.socket]:
        lines = []
        for _ in range(PEOPLE):
            line = stack.enter_context(raw.connect(self.url))
            line.sendall(raw.request(method, path))
            assert raw.read(line).status == status
            lines.append(line)
        if before_order:
            for line in lines:
                line.sendall(raw.request("POST", "/api/v1/orders"))
                assert raw.read(line).status == 401
        return lines

    def connect(self, stack: ExitStack) -> None:
        """Several customers have sockets."""
        for number in range(PEOPLE):
            stack.enter_context(self.socket(f"sharing-{number}"))

    def socket(self, sub: str) -> ClientConnection:
        return Person(self.url, "customer", sub).socket()

    def has_roles(self) -> bool:
        """Whether one of two processes serves all new orders and the other one all sockets."""
        orders = self.gained(self.order)
        return len(orders) == 2 and self.meets(self.connect, 1 - orders.index(max(orders)))

    def meets(self, connect: Callable[[ExitStack], object], process: int) -> bool:
        """Whether all these connections end in this one of two processes."""
        gained = self.gained(connect)
        return gained[process] > PEOPLE - OWN and gained[1 - process] < OWN


@contextmanager
def serving(system: System, processes: int) -> Iterator[Server]:
    name = f"web-of-{processes}"
    with system.beside(name, WEB_CONCURRENCY=str(processes)) as url:
        server = Server(url, system.processes[name].pid)
        until(lambda: len(server.processes) == processes)
        yield server


@pytest.fixture(scope="module")
def server(system: System) -> Iterator[Server]:
    with serving(system, 2) as started:
        # Either may still be at its beginning.
        until(started.has_roles, 20)
        yield started


def killed(server: Server, role: Callable[[ExitStack], object]) -> None:
    """The process that serves these is killed; returns at once."""
    gained = server.gained(role)
    os.kill(server.processes[gained.index(max(gained))], signal.SIGKILL)


def test_new_orders_have_a_process_of_their_own(server: Server) -> None:
    orders = server.gained(server.order)
    first = orders.index(max(orders))
    for _ in range(5):
        assert server.meets(server.order, first)
        assert server.meets(server.order_after_asking, first)
        assert server.meets(server.ask, 1 - first)
        assert server.meets(server.ask_after_ordering, 1 - first)
        assert server.meets(server.connect, 1 - first)


def test_new_orders_are_answered_while_their_process_is_frozen(server: Server) -> None:
    orders = server.gained(server.order)
    frozen = server.processes[orders.index(max(orders))]
    os.kill(frozen, signal.SIGSTOP)
    try:
        time.sleep(SILENT_SECONDS)
        begun = time.monotonic()
        with ExitStack() as stack:
            server.order(stack)
        assert time.monotonic() - begun < 15
    finally:
        os.kill(frozen, signal.SIGCONT)


def test_an_upgrade_that_comes_in_pieces_is_one(server: Server) -> None:
    token = Person(server.url, "customer", "in-pieces").token
    lines = (
        *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        *("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Authorization: Bearer {token}"),
    )
    wanted = raw.request("GET", "/api/v1/ws", *lines)
    with raw.connect(server.url) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(wanted), 100):
            line.sendall(wanted[start : start + 100])
            time.sleep(0.01)
        assert raw.read(line).status == 101


def test_what_only_looks_like_an_upgrade_is_answered(server: Server) -> None:
    answer = raw.send(server.url, raw.request("GET", "/health", "Upgrade: websocket", "Connection: close"))
    assert answer.status == 200


def test_a_silent_connection_is_closed(server: Server) -> None:
    begun = time.monotonic()
    with raw.connect(server.url) as line:
        assert line.recv(100) == b""
    assert 2.5 < time.monotonic() - begun < 15


def test_a_process_that_is_killed_is_missed_for_a_moment_only(server: Server) -> None:
    killed(server, server.order)
    begun = time.monotonic()
    until(lambda: listens(f"{server.url}/health"))
    assert time.monotonic() - begun < 15
    until(server.has_roles, 20, "no process for new orders again")

    killed(server, server.connect)
    begun = time.monotonic()
    with server.socket("back-again"):
        assert time.monotonic() - begun < 15
    assert httpx.get(f"{server.url}/health").status_code == 200
    until(server.has_roles, 20, "no process for sockets again")


def test_the_processes_after_a_reload_have_roles_as_well(server: Server) -> None:
    before = server.processes
    os.kill(server.master, signal.SIGHUP)
    until(lambda: len(server.processes) == 2 and not set(before) & set(server.processes), 20)
    until(server.has_roles, 20)
