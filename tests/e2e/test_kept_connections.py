"""Connections that a balancer keeps: used again at any time, and closed at once by a server that stops."""

import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.bad_orders import ORDERS
from tests.nginx import NGINX
from tests.system import System, listens, until
from tools.local import ports

pytestmark = pytest.mark.long

KEPT = 64
# Between two requests of a connection: around the 3 s that a request has from its first byte on.
PAUSES = (2.98, 3.005)
CONFIGURATION = """
daemon off; pid {directory}/nginx.pid; error_log stderr; events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    upstream web {{ server {web}; keepalive {kept}; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""
ORDER = f"POST {ORDERS} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode()


@contextmanager
def keeping(web: str, directory: Path) -> Iterator[int]:
    """The port of an nginx that keeps its connections to that server."""
    port = ports.free()
    file = directory / "nginx.conf"
    address = web.removeprefix("http://")
    file.write_text(CONFIGURATION.format(directory=directory, web=address, kept=KEPT, port=port))
    process = subprocess.Popen([NGINX or "", "-p", str(directory), "-c", str(file)], stdin=subprocess.DEVNULL)
    try:
        until(partial(listens, f"http://127.0.0.1:{port}/health"), 10)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def status(connection: socket.socket) -> str:
    """The status of an order without a token on this connection."""
    connection.sendall(ORDER)
    with connection.makefile("rb") as lines:
        first, length = lines.readline().decode(), 0
        while (line := lines.readline().strip()) != b"":
            name, _, value = line.lower().partition(b":")
            length = int(value) if name == b"content-length" else length
        lines.read(length)
    return first.split(" ")[1] if first else "closed"


@pytest.mark.skipif(not NGINX, reason="no nginx here: apt-get install nginx-light")
@pytest.mark.parametrize(
    "rounds", [2, pytest.param(10, marks=pytest.mark.by_hand)], ids=["short", "ten-rounds"]
)
def test_no_post_is_lost_on_a_connection_that_nginx_has_kept(
    system: System, tmp_path: Path, rounds: int
) -> None:
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        directory.chmod(0o755)
    found: Counter[str] = Counter()

    def customer(number: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            pause = PAUSES[0] + (PAUSES[1] - PAUSES[0]) * number / KEPT
            for _ in range(rounds):
                found[status(connection)] += 1
                time.sleep(pause)

    with keeping(system.urls[0], tmp_path) as port, ThreadPoolExecutor(KEPT) as pool:
        list(pool.map(customer, range(KEPT)))
    print(f"{rounds * KEPT} requests {PAUSES[0]} to {PAUSES[1]} s apart: {dict(found)}")
    assert found == {"401": rounds * KEPT}


def test_a_server_that_stops_closes_idle_connections_at_once(system: System) -> None:
    with system.beside("web-idle", WEB_CONCURRENCY="2") as url, ExitStack() as stack:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        idle = [stack.enter_context(socket.create_connection(address, 10)) for _ in range(32)]
        assert {status(connection) for connection in idle} == {"401"}
        begun = time.monotonic()
        system.processes["web-idle"].terminate()
        assert [connection.recv(1) for connection in idle] == [b""] * len(idle)
        system.processes["web-idle"].wait(10)
        took = time.monotonic() - begun
        print(f"a stop with {len(idle)} idle connections: {took:.2f} s")
        assert took < 3
