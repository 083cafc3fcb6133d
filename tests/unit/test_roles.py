"""Who serves what in one web server, and the way of a connection between two of its processes."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from copy import copy
from math import inf
from types import SimpleNamespace

import pytest

from server import handover as handover_of
from server.handover import DescriptorQueue, Handover
from server.roles import SILENT_SECONDS, Role, Roles, next_role

NEW_ORDERS = re.compile(rb"POST /api/v1/orders[ ?]")
ORDERS, OTHERS = Role.NEW_ORDERS, Role.ALL_BUT_NEW_ORDERS


@pytest.mark.parametrize(
    ("processes", "roles"),
    [
        (1, [Role.EVERYTHING]),
        (2, [ORDERS, OTHERS]),
        (3, [ORDERS, OTHERS, OTHERS]),
        (4, [ORDERS, ORDERS, OTHERS, OTHERS]),
    ],
)
def test_half_of_the_processes_take_new_orders(processes: int, roles: list[Role]) -> None:
    there: list[Role] = []
    for _ in range(processes):
        there.append(next_role(processes, there))
    assert there == roles


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_a_process_that_replaces_another_has_its_role(missing: int) -> None:
    there = [ORDERS, ORDERS, OTHERS, OTHERS]
    role = there.pop(missing)
    assert next_role(4, there) is role


def test_the_lag_of_a_role_is_that_of_its_quickest_process_that_is_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    table = Roles(3)
    assert table.lag(ORDERS) == inf
    table.take(0, ORDERS)
    table.take(2, ORDERS)
    table.beat(0, 0.3)
    table.beat(2, 0.1)
    assert table.lag(ORDERS) == 0.1
    assert table.lag(OTHERS) == inf
    table.leave(2)
    assert table.lag(ORDERS) == 0.3
    now += SILENT_SECONDS
    assert table.lag(ORDERS) == inf


@pytest.fixture
def table() -> Roles:
    """Both roles are there and keep up."""
    made = Roles(2)
    made.take(0, ORDERS)
    made.take(1, OTHERS)
    return made


@pytest.fixture
def handover(table: Roles) -> Iterator[Handover]:
    with closing(Handover(NEW_ORDERS, table)) as made:
        yield made


@pytest.mark.parametrize(
    ("role", "beginning", "handed_over"),
    [
        (ORDERS, b"POST /api/v1/orders HTTP/1.1", False),
        (ORDERS, b"POST /api/v1/orders?x=1 HTTP", False),
        (ORDERS, b"POST /api/v1/orders/1/accept", True),
        (ORDERS, b"GET /health HTTP/1.1", True),
        (OTHERS, b"POST /api/v1/orders HTTP/1.1", True),
        (OTHERS, b"POST /api/v1/or", False),
        (OTHERS, b"GET /health HTTP/1.1", False),
        (Role.EVERYTHING, b"GET /health HTTP/1.1", False),
    ],
)
def test_a_connection_goes_to_the_process_that_serves_its_request(
    role: Role,
    beginning: bytes,
    handed_over: bool,
    handover: Handover,
    line: tuple[socket.socket, socket.socket],
) -> None:
    handover.role = role
    assert handover.hands_over(line[1], beginning) is handed_over


def test_a_process_that_is_behind_silent_or_gone_gets_nothing(
    table: Roles,
    handover: Handover,
    line: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handover.role = OTHERS
    order = b"POST /api/v1/orders HTTP/1.1"
    table.beat(0, handover_of.BEHIND_SECONDS + 0.01)
    assert not handover.hands_over(line[1], order)
    monkeypatch.setattr(handover_of, "lag", SimpleNamespace(seconds=1.0))
    assert handover.hands_over(line[1], order)
    table.leave(0)
    assert not handover.hands_over(line[1], order)


def of_two_processes(table: Roles) -> tuple[Handover, Handover]:
    """What the process for new orders has after the fork, and what the other one has."""
    orders = Handover(NEW_ORDERS, table)
    others = copy(orders)
    orders.role, orders.slot = ORDERS, 0
    others.role, others.slot = OTHERS, 1
    return orders, others


def test_a_process_that_leaves_hands_nothing_over_and_gets_nothing(
    table: Roles, line: tuple[socket.socket, socket.socket]
) -> None:
    orders, others = of_two_processes(table)
    with closing(orders):
        orders.leave()
        assert not others.hands_over(line[1], b"POST /api/v1/orders HTTP/1.1")
        assert not orders.hands_over(line[1], b"GET /health HTTP/1.1")


def test_the_process_that_leaves_last_takes_what_it_handed_to_the_first(
    table: Roles, line: tuple[socket.socket, socket.socket]
) -> None:
    orders, others = of_two_processes(table)
    with closing(orders):
        assert others.hands_over(line[1], b"POST /api/v1/orders HTTP/1.1")
        assert others.take() is None
        others.leave()
        with others.take() as taken:
            assert taken.getpeername() == line[0].getsockname()


def test_what_was_handed_to_a_process_that_died_is_taken_by_the_others(
    table: Roles, line: tuple[socket.socket, socket.socket]
) -> None:
    orders, others = of_two_processes(table)
    with closing(orders):
        assert others.hands_over(line[1], b"POST /api/v1/orders HTTP/1.1")
        assert others.take() is None
        table.leave(0)
        with others.take() as taken:
            assert taken.getpeername() == line[0].getsockname()


@pytest.fixture
def queue() -> Iterator[DescriptorQueue]:
    made = DescriptorQueue()
    yield made
    made.close()


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection: the client's end and the server's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        served, _ = listening.accept()
    with client, served:
        yield client, served


def test_a_connection_goes_on_at_the_other_end(
    queue: DescriptorQueue, line: tuple[socket.socket, socket.socket]
) -> None:
    client, served = line
    assert queue.take() is None
    client.sendall(b"before")
    assert queue.send(served)
    served.close()
    taken = queue.take()
    with taken:
        assert taken.getpeername() == client.getsockname()
        assert taken.recv(100) == b"before"
        taken.sendall(b"after")
        assert client.recv(100) == b"after"
    assert queue.take() is None


def test_where_nobody_takes_them_a_connection_stays_where_it_is(
    queue: DescriptorQueue, line: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, served = line
    monkeypatch.setattr(handover_of, "FULL_SECONDS", 0.05)
    sent = 0
    while queue.send(served):
        sent += 1
    assert sent > 20
    client.sendall(b"here")
    assert served.recv(100) == b"here"
    for _ in range(sent):
        queue.take().close()
    assert queue.take() is None
