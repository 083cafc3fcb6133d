"""How answers leave the web server."""

import re

from tests import raw
from tests.system import System

REQUESTS = 100
# One client's, sent at once, and how many of them may be answered before another client's.
AT_ONCE = 400
BEFORE_OTHERS = 20


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


def test_whoever_asks_again_at_once_lets_others_come_first(system: System) -> None:
    """A client whose next request is there already was served before all who came since."""
    ask = raw.request("GET", "/health")
    with raw.connect(system.urls[0]) as busy, raw.connect(system.urls[0]) as other:
        for line in (busy, other):
            line.sendall(ask)
            length = len(line.recv(65_536))
        busy.sendall(AT_ONCE * ask)
        busy.recv(length)
        other.sendall(ask)
        other.recv(length)
        assert len(busy.recv(AT_ONCE * length)) < BEFORE_OTHERS * length
