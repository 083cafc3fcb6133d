"""The servers that everything else is run on: their data outlives kill -9, and they outlive nobody."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from tools.local import background, ports, unprivileged
from tools.local.server import AlreadyRunning
from tools.local.stores import THROWAWAY_POSTGRES, THROWAWAY_VALKEY, Postgres, Valkey

ROOT = Path(__file__).resolve().parent.parent.parent

# Starts a server like any test run, says where, and waits to be killed.
HOLDER = """
import signal, sys
from pathlib import Path
from tools.local.stores import Valkey
server = Valkey(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def one_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("stores") / "postgres", THROWAWAY_POSTGRES)
    yield server
    server.remove()


@pytest.fixture
def postgres(one_postgres: Postgres) -> Postgres:
    """A running one, whatever the test before has done to it."""
    if one_postgres.pid is None:
        one_postgres.start()
    return one_postgres


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "valkey", THROWAWAY_VALKEY)
    server.start()
    yield server
    server.remove()


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def value(url: str, key: str) -> object:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return client.get(key)


def ends(pid: int) -> bool:
    """Whether a process is gone, or waits for nothing but to be reaped, within the leash's time."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
        if not state.strip() or state.startswith("Z"):
            return True
        time.sleep(0.02)
    return False


def test_postgres_has_the_same_address_and_data_after_kill_9(postgres: Postgres) -> None:
    before = postgres.url
    query(before, "CREATE TABLE kept AS SELECT 7 AS n")
    postgres.kill()
    assert postgres.pid is None
    assert postgres.start() == before
    assert query(before, "SELECT n FROM kept") == [(7,)]


def test_valkey_has_the_same_address_and_data_after_kill_9(valkey: Valkey) -> None:
    before = valkey.url
    with redis.Redis.from_url(before) as client:
        client.set("kept", "7")
    valkey.kill()
    assert valkey.start() == before
    assert value(before, "kept") == "7"


@pytest.mark.skipif(
    not background.children_of(os.getpid()).exists(), reason="this kernel does not list a process's children"
)
def test_valkey_rewrites_its_file_in_the_background(valkey: Valkey) -> None:
    assert valkey.pid
    children = background.children_of(valkey.pid)
    with redis.Redis.from_url(valkey.url) as client:
        client.mset({f"key{n}": n for n in range(50)})
        # A tenth of a second for each of them, so that it can be looked at.
        client.config_set("rdb-key-save-delay", 100_000)
        client.bgrewriteaof()
    idle, deadline = os.SCHED_IDLE, time.monotonic() + 4
    while (found := [os.sched_getscheduler(int(pid)) for pid in children.read_text().split()]) != [idle]:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    assert os.sched_getscheduler(valkey.pid) == os.SCHED_OTHER


def test_what_has_ended_already_is_not_looked_at() -> None:
    """An error in the thread fails this test too."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    before = threading.active_count()
    background.keep(ended)
    deadline = time.monotonic() + 2
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_second_server_over_the_same_data_is_refused_and_the_first_goes_on(postgres: Postgres) -> None:
    with pytest.raises(AlreadyRunning, match=f"pid {postgres.pid}"):
        Postgres(postgres.directory).start()
    assert query(postgres.url, "SELECT 1") == [(1,)]


def test_a_pid_file_that_names_another_process_does_not_prevent_the_start(postgres: Postgres) -> None:
    (left,) = query(postgres.url, "SHOW data_directory")
    postgres.kill()
    Path(str(left[0]), "postmaster.pid").write_text(f"{os.getpid()}\n{left[0]}\n0\n5432\n\n\n0 0\n\n")
    assert query(postgres.start(), "SELECT 1") == [(1,)]


def test_a_port_that_was_taken_meanwhile_is_replaced(valkey: Valkey) -> None:
    before = valkey.port
    valkey.stop()
    with socket.create_server((ports.LOOPBACK, before)):
        valkey.start()
        assert valkey.port != before
        assert value(valkey.url, "any") is None


def test_nobody_gets_in_without_the_password(postgres: Postgres, valkey: Valkey) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password"):
        query(f"postgresql://weelo@127.0.0.1:{postgres.port}/weelo", "SELECT 1")
    with pytest.raises(redis.AuthenticationError):
        value(f"redis://127.0.0.1:{valkey.port}", "any")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_needs_no_open_directory_and_leaves_nothing_outside(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "postgres", THROWAWAY_POSTGRES)
    server.start()
    outside = unprivileged.recorded(server.directory)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert outside is not None
    assert outside.stat().st_uid != 0
    server.remove()
    assert not outside.exists()


def test_a_server_ends_soon_after_its_launcher_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "valkey")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        pid = int(holder.stdout.readline())
        holder.send_signal(signal.SIGKILL)
    assert ends(pid)
