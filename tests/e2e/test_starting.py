"""A web server that starts: nobody can connect before it can answer."""

import os
import socket
import time
from functools import partial
from pathlib import Path

import pytest
from flask import Flask

from tests.e2e.test_metrics import alive, workers_of
from tests.system import System, until
from tools.local import ports
from web import create_app

BEGINS = "TEST_BEGINS"


def late() -> Flask:
    """The application, whose start takes until a file is there."""
    while not Path(os.environ[BEGINS]).exists():
        time.sleep(0.02)
    return create_app()


def test_a_server_that_starts_refuses_connections_until_it_can_answer(system: System, tmp_path: Path) -> None:
    port, begins = ports.free(), tmp_path / "begins"
    application = f"{__name__}:{late.__name__}"
    command = tuple(word.replace("web:create_app", application) for word in system.commands["web"])
    system.run("web-late", command, PORT=str(port), **{BEGINS: str(begins)})
    try:
        master = system.processes["web-late"]
        until(lambda: workers_of(master.pid), 30)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
        begins.touch()
        until(partial(alive, f"http://127.0.0.1:{port}"), 60, "it does not answer")
    finally:
        system.end("web-late")
