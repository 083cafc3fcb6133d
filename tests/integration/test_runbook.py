"""The statements of the runbook are ones that Postgres takes."""

import re

import pytest
from sqlalchemy import text

from models import db
from tests.conftest import ROOT

STATEMENTS = re.findall(r"`(SELECT [^`]+)`", (ROOT / "docs/runbook.md").read_text())


def test_there_are_statements() -> None:
    assert STATEMENTS


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_of_the_runbook_runs(statement: str) -> None:
    with db.statements() as connection:
        connection.execute(text(statement)).all()
