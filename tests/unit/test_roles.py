"""Who serves what in one web server, and the way of a connection between two of its processes."""

import socket
from collections.abc import Iterator

import pytest

from server import passage
from server.passage import Passage
from server.slots import Role, Slots, next_role

HTTP, SOCKETS = Role.HTTP, Role.SOCKETS


@pytest.mark.parametrize(
    ("processes", "roles"),
    [
        (1, [Role.ANYTHING]),
        (2, [HTTP, SOCKETS]),
        (3, [HTTP, SOCKETS, SOCKETS]),
        (4, [HTTP, HTTP, SOCKETS, SOCKETS]),
    ],
)
def test_half_of_the_processes_serve_http(processes: int, roles: list[Role]) -> None:
    there: list[Role] = []
    for _ in range(processes):
        there.append(next_role(processes, there))
    assert there == roles


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_who_replaces_a_process_has_its_role(missing: int) -> None:
    there = [HTTP, HTTP, SOCKETS, SOCKETS]
    role = there.pop(missing)
    assert next_role(4, there) is role


def test_only_one_of_the_same_role_can_be_less_busy() -> None:
    slots = Slots(4)
    for slot, role in enumerate((HTTP, HTTP, SOCKETS)):
        slots.take(slot, role)
    slots.count_open(0, 1)
    slots.count_open(2, 5)
    assert [slots.is_busier(slot) for slot in range(3)] == [True, False, False]
    slots.leave(1)
    assert not slots.is_busier(0)
    slots.take(1, HTTP)
    slots.count_open(1, 3)
    slots.take(1, HTTP)
    assert slots.is_busier(0)


def test_a_role_is_there_while_one_process_has_it() -> None:
    slots = Slots(3)
    assert not slots.has(HTTP)
    slots.take(0, HTTP)
    slots.take(2, HTTP)
    slots.leave(0)
    assert slots.has(HTTP)
    assert not slots.has(SOCKETS)
    slots.leave(2)
    assert not slots.has(HTTP)


@pytest.fixture
def way() -> Iterator[Passage]:
    made = Passage()
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
    way: Passage, line: tuple[socket.socket, socket.socket]
) -> None:
    client, served = line
    assert way.take() is None
    client.sendall(b"before")
    assert way.send(served)
    served.close()
    taken = way.take()
    with taken:
        assert taken.getpeername() == client.getsockname()
        assert taken.recv(100) == b"before"
        taken.sendall(b"after")
        assert client.recv(100) == b"after"
    assert way.take() is None


def test_where_nobody_takes_them_a_connection_stays_where_it_is(
    way: Passage, line: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, served = line
    monkeypatch.setattr(passage, "SECONDS", 0.05)
    sent = 0
    while way.send(served):
        sent += 1
    assert sent > 20
    client.sendall(b"here")
    assert served.recv(100) == b"here"
    for _ in range(sent):
        way.take().close()
    assert way.take() is None
