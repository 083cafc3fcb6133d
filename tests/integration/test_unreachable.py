"""A host that drops all packets: a connection to it is waited for, and not taken for one that is there."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import ROOT

# As in a web process, with less patience.
CONNECTS = """
from gevent import monkey
monkey.patch_all()
import sys
import psycopg2
from psycopg2 import extensions
import gunicornconfig
from models import silence
silence.PATIENCE_SECONDS = 1.0
extensions.set_wait_callback(gunicornconfig._wait)
try:
    psycopg2.connect(host="127.0.0.1", port=sys.argv[1], dbname="weelo")
except psycopg2.OperationalError as error:
    print(error)
"""


@pytest.fixture
def unreachable() -> Iterator[int]:
    """A port whose kernel drops what comes: nobody takes the connections that wait, and no more may."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels refuse what does not fit into the queue")
def test_a_web_process_waits_for_a_host_that_says_nothing_as_long_as_its_patience_lasts(
    unreachable: int,
) -> None:
    command = [sys.executable, "-c", CONNECTS, str(unreachable)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "Postgres has not answered for 1 s", done.stderr
