"""Two processes of one web server share those who come."""

import socket
import time
from contextlib import suppress
from pathlib import Path

from tests.system import System, until

CONNECTIONS = 16


def sockets(process: str) -> int:
    found = 0
    for link in Path(f"/proc/{process}/fd").iterdir():
        # One that was closed meanwhile is none.
        with suppress(FileNotFoundError):
            found += str(link.readlink()).startswith("socket:")
    return found


def gained(port: int, workers: list[str]) -> list[int]:
    """How many of sixteen customers at once each process has."""
    before = [sockets(worker) for worker in workers]
    lines = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(CONNECTIONS)]
    try:
        for line in lines:
            line.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert line.recv(4096).startswith(b"HTTP/1.1 200")
        return [sockets(worker) - had for worker, had in zip(workers, before, strict=True)]
    finally:
        for line in lines:
            line.close()
        # What is still open counts for the next ones.
        until(lambda: sum(map(sockets, workers)) < sum(before) + CONNECTIONS / 2)
        time.sleep(0.1)


def test_connections_that_come_at_once_are_shared_between_the_processes(system: System) -> None:
    with system.beside("web-shared", WEB_CONCURRENCY="2") as url:
        port = int(url.rpartition(":")[2])
        master = system.processes["web-shared"].pid
        children = Path(f"/proc/{master}/task/{master}/children")
        workers = until(lambda: two if len(two := children.read_text().split()) == 2 else None)
        # The second may still be at its beginning; and either opens a socket of its own now and then.
        until(lambda: min(gained(port, workers)) >= CONNECTIONS // 2 - 3)
        shares = [gained(port, workers) for _ in range(10)]
        assert sum(min(share) >= CONNECTIONS // 2 - 3 for share in shares) >= 8, shares
