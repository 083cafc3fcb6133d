"""A pooler between us and Postgres: harmless, or refused with the way out."""

from types import SimpleNamespace
from typing import Any

import pytest

from models import poolers


class Server:
    """Sessions of Postgres, by their process ids; what a session has that sets nothing."""

    def __init__(self, defaults: dict[str, str], *pids: int) -> None:
        self.defaults, self._pids = defaults, list(pids)

    def next_pid(self) -> int:
        return self._pids.pop(0)


class Client:
    """A connection that got ``named_pid`` as its process id, and is given the server's sessions in turn."""

    autocommit = False

    def __init__(self, server: Server, named_pid: int) -> None:
        self._server = server
        self._rows: list[Any] = []
        self.info = SimpleNamespace(backend_pid=named_pid, user="weelo")

    def cursor(self) -> "Client":
        return self

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def close(self) -> None:
        return

    def execute(self, statement: str, values: Any) -> None:
        self._rows = (
            [(self._server.next_pid(),)] if statement == poolers.PID else [*self._server.defaults.items()]
        )

    def fetchall(self) -> list[Any]:
        return self._rows


def problem(server: Server, named_pid: int, prepares: bool = True) -> str:
    return poolers.problem(Client(server, named_pid), lambda: Client(server, named_pid), prepares)


def test_postgres_itself_is_asked_once() -> None:
    assert problem(Server({}, 7), named_pid=7) == ""


def test_a_pooler_that_keeps_sessions_is_fine() -> None:
    assert problem(Server({}, 7, 7, 8, 7), named_pid=99) == ""


@pytest.mark.parametrize("pids", [(7, 7, 7, 8), (7, 7, 8, 9)], ids=["one for both", "another than before"])
def test_one_that_shares_them_is_refused_with_the_way_out(pids: tuple[int, ...]) -> None:
    said = problem(Server({"lock_timeout": "0"}, *pids), named_pid=99)
    assert "transaction mode" in said
    assert "DATABASE_PREPARE=false" in said
    assert "ALTER ROLE weelo SET lock_timeout = '3000';" in said


def test_one_that_shares_them_works_where_the_role_has_the_settings() -> None:
    assert problem(Server(poolers.SESSION, 7, 7, 7, 7), named_pid=99, prepares=False) == ""
    assert problem(Server(poolers.SESSION, 7, 7, 7, 7), named_pid=99, prepares=True) != ""
