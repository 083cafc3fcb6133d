"""How answers leave the web server."""

import re

from tests import raw
from tests.system import System

REQUESTS = 100


def test_an_answer_leaves_in_one_piece(system: System) -> None:
    """As two, its head and its body wake a client twice, and one of a hundred looks between them."""
    ask = raw.request("GET", "/health")
    with raw.connect(system.urls[0]) as line:
        for _ in range(REQUESTS):
            line.sendall(ask)
            head, _, body = line.recv(65_536).partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert length
            assert len(body) == int(length[1]) > 0
