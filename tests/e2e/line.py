"""A line to the system that is cut where it hurts: an order's first answer, and each first socket."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

ORDER = b"POST /api/v1/orders "
CONNECTED = b'"type":"connected"'


@dataclass
class Cuts:
    """What was cut so far; ``sockets`` by the request line, in which people differ by their token."""

    orders: int = 0
    sockets: set[bytes] = field(default_factory=set)


class _Line(socketserver.BaseRequestHandler):
    """Passes bytes both ways until it is time to cut."""

    target: tuple[str, int]
    cuts: Cuts

    def handle(self) -> None:
        self._lose_answer = False
        self._who = b""
        near: socket.socket = self.request
        with socket.create_connection(self.target) as far:
            answers = threading.Thread(target=self._answers, args=(far, near))
            answers.start()
            with suppress(OSError):
                while data := near.recv(65536):
                    self._look(data)
                    far.sendall(data)
            _end(far)
            answers.join()

    def _look(self, request: bytes) -> None:
        if request.startswith(ORDER) and not self.cuts.orders:
            self.cuts.orders += 1
            self._lose_answer = True
        for line in request.split(b"\r\n"):
            if line.lower().startswith((b"authorization: bearer ", b"sec-websocket-protocol: bearer")):
                self._who = line.split()[-1]

    def _answers(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while data := far.recv(65536):
                if self._lose_answer:
                    break
                near.sendall(data)
                if CONNECTED in data and self._who not in self.cuts.sockets:
                    self.cuts.sockets.add(self._who)
                    break
        _end(near)
        _end(far)


def _end(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def cut(url: str) -> Iterator[tuple[str, Cuts]]:
    """The address of such a line, and what it has cut."""
    there = urlsplit(url)
    cuts = Cuts()
    handler = type("Line", (_Line,), {"target": (there.hostname, there.port), "cuts": cuts})
    with _Server(("127.0.0.1", 0), handler) as server:
        running = threading.Thread(target=server.serve_forever, args=(0.05,))
        running.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", cuts
        finally:
            server.shutdown()
            running.join()
