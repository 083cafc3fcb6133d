"""The defences are proven: take one away, and the test that stands for it turns red.

Each weakening is made in a copy of the tree, and its test run there.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(300)]

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".run", "__pycache__", ".*_cache", ".hypothesis")
AUTH = "tests/unit/test_auth.py::"
MATRIX = "tests/e2e/test_access_matrix.py::test_only_who_may_gets_in_and_only_to_what_is_his"
ORDERS = "tests/e2e/test_bad_input_orders.py::"
SOCKET = "tests/integration/test_socket.py::"


@dataclass(frozen=True)
class Weakening:
    """One replacement in one file, and the test that has to notice it."""

    path: str
    old: str
    new: str
    test: str


WEAKENINGS = {
    "tokens without a signature": Weakening(
        "web/auth.py",
        "    for known in keys.usable():\n",
        '    if algorithm == "none":\n'
        '        return jwt.PyJWS().decode(token, "", options={"verify_signature": False})\n'
        "    for known in keys.usable():\n",
        AUTH + "test_headers_other_than_ours_are_refused",
    ),
    "tokens that have run out": Weakening(
        "web/auth.py", "if expires <= seconds:", "if False:", AUTH + "test_claims_out_of_bounds_are_refused"
    ),
    "tokens of any length": Weakening(
        "web/auth.py",
        'if len(token.encode(errors="replace")) > MAX_TOKEN_BYTES:',
        "if False:",
        AUTH + "test_a_token_over_4_kb_is_refused_before_it_is_parsed",
    ),
    "tokens of any issuer": Weakening(
        "web/auth.py",
        'if configured.jwt_issuer and claims.get("iss") != configured.jwt_issuer:',
        "if False:",
        AUTH + "test_the_issuer_must_be_ours_where_one_is_configured",
    ),
    "tokens that were called back": Weakening(
        "web/access.py",
        "        revocations.refuse(found)\n",
        "",
        "tests/e2e/test_bad_input_tokens.py::"
        "test_a_token_that_is_called_back_is_refused_and_its_sockets_closed_within_5_s",
    ),
    "any role": Weakening(
        "web/access.py", "if g.caller.role not in roles:", "if False:", MATRIX + "[GET /api/v1/drivers/me]"
    ),
    "any owner": Weakening(
        "web/orders.py",
        'if orjson.loads(view)["order"]["customerId"] != caller().sub:',
        "if False:",
        MATRIX + "[GET /api/v1/orders/<order_id>]",
    ),
    "any origin": Weakening(
        "web/socket.py",
        "if not _from_allowed_origin():",
        "if False:",
        SOCKET + "test_everything_is_checked_before_the_upgrade",
    ),
    "any number of messages": Weakening(
        "web/incoming.py",
        "elif self._floods():",
        "elif False:",
        SOCKET + "test_a_frame_that_is_wrong_closes_with_its_code",
    ),
    "bodies of any length": Weakening(
        "web/__init__.py",
        '    app.config["MAX_CONTENT_LENGTH"] = MAXIMUM_BODY_BYTES\n',
        "",
        "tests/e2e/test_bad_input_http.py::test_http_that_is_wrong_is_refused_by_the_server",
    ),
    "names that appear twice": Weakening(
        "web/parsing.py",
        "if len(found) != len(pairs):",
        "if False:",
        ORDERS + "test_a_body_that_is_wrong_is_refused_by_its_field",
    ),
    "two keys in one": Weakening(
        "web/gunicorn.py",
        "        if len(lines) > 1:\n",
        "        if False:\n",
        ORDERS + "test_a_key_that_is_wrong_is_refused",
    ),
    "whoever says he is a proxy": Weakening(
        "web/addresses.py",
        " or not _trusted(address)",
        "",
        "tests/unit/test_addresses.py::test_only_a_trusted_proxy_is_believed",
    ),
}


def copied(directory: Path, *weakenings: Weakening) -> Path:
    """The tree with these weakenings."""
    shutil.copytree(ROOT, directory, ignore=LEFT_OUT)
    for one in weakenings:
        text = (directory / one.path).read_text()
        assert text.count(one.old) == 1, f"{one.path} has changed: make this weakening anew"
        (directory / one.path).write_text(text.replace(one.old, one.new))
    return directory


def run(tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_without_a_weakening_every_test_named_here_passes(tmp_path: Path) -> None:
    done = run(copied(tmp_path / "tree"), *(one.test for one in WEAKENINGS.values()))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", WEAKENINGS)
def test_a_weakening_turns_its_test_red(tmp_path: Path, name: str) -> None:
    weakening = WEAKENINGS[name]
    done = run(copied(tmp_path / "tree", weakening), weakening.test)
    print(f"{name}: {done.stdout.strip().splitlines()[-1]}")
    assert done.returncode == 1, done.stdout
    assert f"FAILED {weakening.test}" in done.stdout, done.stdout
    assert "\nERROR " not in done.stdout, done.stdout
