"""The figures of a web server with two processes, one of which is killed."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import httpx
import pytest
from websockets.protocol import State

from tests.system import Person, System, hear, on_duty, until
from tools.local import ports

ROUTE = 'weelo_http_requests_total{method="GET",route="/health",status="200"} '

CUSTOMERS = 'weelo_sockets{role="customer"} '


def workers_of(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return {int(line) for line in listed.stdout.split()}


def figure(url: str, name: str) -> int:
    """What the process that answers says of this."""
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if line.startswith(name):
            return int(float(line.removeprefix(name)))
    return 0


def told(url: str) -> int:
    return figure(url, ROUTE)


def alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def two(system: System) -> Iterator[tuple[str, int]]:
    """A web server with two processes: its address and its master."""
    port = ports.free()
    system.run("web-two", system.commands["web"], PORT=str(port), WEB_CONCURRENCY="2")
    url, master = f"http://127.0.0.1:{port}", system.processes["web-two"]
    until(partial(alive, url), 20)
    until(lambda: len(workers_of(master.pid)) == 2)
    yield url, master.pid
    master.terminate()
    master.wait(10)


def kill_one(master: int) -> None:
    """Kills a process of the server and waits for the one that takes its place."""
    victim = workers_of(master).pop()
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(workers_of(master) - {victim}) == 2)


def test_both_processes_tell_of_all_requests_and_a_killed_one_takes_none_with_it(
    two: tuple[str, int],
) -> None:
    url, master = two
    begun = told(url)
    for _ in range(50):
        assert alive(url)
    assert {told(url) for _ in range(20)} == {begun + 50}
    kill_one(master)
    until(partial(alive, url))
    after = told(url)
    assert after >= begun + 51
    assert {told(url) for _ in range(20)} == {after}


def test_a_killed_process_takes_its_sockets_with_it_and_no_others(two: tuple[str, int], name: str) -> None:
    url, master = two
    with ExitStack() as stack:
        people = [Person(url, "customer", f"{name}-{number}") for number in range(12)]
        sockets = [stack.enter_context(person.socket()) for person in people]
        assert figure(url, CUSTOMERS) == len(sockets)
        kill_one(master)
        until(partial(alive, url))
        until(
            lambda: (
                {figure(url, CUSTOMERS) for _ in range(9)}
                == {sum(socket.state is State.OPEN for socket in sockets)}
            )
        )


def test_open_sockets_are_counted_as_long_as_they_are_open(system: System, name: str) -> None:
    driver = on_duty(system.urls[0], name)
    before = figure(system.urls[0], 'weelo_sockets{role="driver"} ')
    with driver.socket() as socket:
        hear(socket, "connected")
        assert figure(system.urls[0], 'weelo_sockets{role="driver"} ') == before + 1
    until(lambda: figure(system.urls[0], 'weelo_sockets{role="driver"} ') == before)


def test_in_a_running_system_everything_is_up_and_swept(system: System) -> None:
    url = system.urls[0]
    for part in ('up{part="postgres"} ', 'up{part="redis"} ', 'worker_up{queue="orders"} '):
        assert figure(url, f"weelo_{part}") == 1
    until(lambda: figure(url, "weelo_last_sweep_age_seconds ") <= 2)
