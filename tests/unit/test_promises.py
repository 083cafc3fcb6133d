"""Every promise of docs/promises.md names a test that exists."""

import ast
import re

import pytest

from tests.conftest import ROOT

PROMISES = (ROOT / "docs/promises.md").read_text()
ROWS = [line for line in PROMISES.split("## Orders")[1].splitlines() if line.startswith("| ")]
PROMISED = [row for row in ROWS if not row.startswith("| promise |")]


@pytest.mark.parametrize("row", PROMISED, ids=lambda row: row.split("|")[1].strip()[:60])
def test_a_promise_names_a_test_that_exists(row: str) -> None:
    promise, kept_by, tests = (cell.strip() for cell in row.strip("|").split(" | "))
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
    assert all((promise, kept_by, named)), row
    for path, name in named:
        functions = {
            node.name
            for node in ast.walk(ast.parse((ROOT / path).read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        assert name in functions, f"{path} has no {name}"


def test_there_are_promises() -> None:
    assert len(PROMISED) >= 30
