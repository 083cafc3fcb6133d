"""How answers leave the web server."""

import re
import socket

from tests import raw
from tests.system import System

# One client's, sent at once, and how many of them may be answered before another client's.
AT_ONCE = 400
BEFORE_OTHERS = 20


def answer(line: socket.socket) -> bytes:
    """The next answer on this connection, with its head."""
    received = b""
    while True:
        received += line.recv(65_536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length and len(body) >= int(length[1]):
            return received


def test_a_client_that_repeats_at_once_lets_others_go_first(system: System) -> None:
    """A client whose next request is there already was served before all who came since."""
    ask = raw.request("GET", "/health")
    with raw.connect(system.urls[0]) as busy, raw.connect(system.urls[0]) as other:
        for line in (busy, other):
            line.sendall(ask)
            length = len(answer(line))
        busy.sendall(AT_ONCE * ask)
        answer(busy)
        other.sendall(ask)
        answer(other)
        assert len(busy.recv(AT_ONCE * length)) < BEFORE_OTHERS * length
