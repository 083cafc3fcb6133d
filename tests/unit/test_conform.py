"""What `make conform` finds: an answer that is not as documented, and nothing in one that is."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests import documents
from tests.conform.run import Figures, Pass, Target, once

HEALTH = "/health"
RIGHT = {"success": True, "data": {"status": "alive"}}


class Server(BaseHTTPRequestHandler):
    """Publishes what the document says of one route, and answers everything with the same."""

    answer: tuple[int, dict[str, object]] = (200, RIGHT)

    def do_GET(self) -> None:
        if self.path == "/openapi.json":
            document = documents.of_http()
            self._say(200, document | {"paths": {HEALTH: document["paths"][HEALTH]}})
        else:
            self._say(*self.answer)

    def _say(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what is wrong."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# Starting Schemathesis takes a few seconds of processor time.
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, RIGHT), ""),
        ((200, RIGHT | {"data": {"status": "asleep"}}), "Response violates schema"),
        ((418, RIGHT), "Undocumented status code"),
    ],
    ids=["as documented", "another value", "another status"],
)
def test_an_answer_that_is_not_documented_is_a_problem(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[int, dict[str, object]],
    said: str,
) -> None:
    monkeypatch.setattr(Server, "answer", answer)
    told: list[str] = []
    figures = Figures()
    plan = Pass("health", "", 1, ("--phases", "fuzzing"))
    once(Target(address, os.environ, str, tmp_path), plan, 1, figures, told.append)
    assert bool(figures.problems) == bool(said)
    assert said in "\n".join(told)
    assert figures.routes[f"GET {HEALTH}", answer[0]] >= 1
