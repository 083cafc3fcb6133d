"""Migrations as SQL, read for what would block: with Squawk's rules, and each statement a step of its own."""

import importlib.util
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import op
from alembic.migration import MigrationContext
from alembic.operations import Operations

from models.migrations import steps
from tests.conftest import ROOT

# Those before are older than the rule; one of them was rewritten.
SINCE, REWRITTEN = "0017", "0008"
VERSIONS = sorted((ROOT / "models/migrations/versions").glob("[0-9]*.py"))
CHECKED = [path for path in VERSIONS if path.stem[:4] >= SINCE or path.stem[:4] == REWRITTEN]
# `steps` limits how long a statement waits; the second is a question of taste: a step that goes with another
# in one string is what it speaks of.
LEFT_OUT = "require-timeout-settings,ban-drop-constraint"
SQUAWK = shutil.which("squawk", path=str(Path(sys.executable).parent)) or "squawk"


def as_sql(change: Callable[[], None]) -> str:
    """What it would send to Postgres."""
    sent = io.StringIO()
    options = {"as_sql": True, "output_buffer": sent, "transaction_per_migration": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    with Operations.context(context), context.begin_transaction(_per_migration=True):
        change()
    return sent.getvalue()


def complaints(change: Callable[[], None]) -> list[str]:
    """What would block others, and what could not be tried again; empty if nothing would."""
    sql = as_sql(change)
    outside = re.findall(r"BEGIN;\s*(\S.*?);\s*COMMIT;", re.sub(r"BEGIN;\s*COMMIT;", "", sql), re.DOTALL)
    command = [SQUAWK, "--reporter=gcc", "--pg-version=14", f"--exclude={LEFT_OUT}"]
    found = subprocess.run(command, input=sql, capture_output=True, text=True)
    assert found.returncode in (0, 1), found.stderr
    return [f"no step: {statement}" for statement in outside] + found.stdout.splitlines()


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: str(path.stem))
def test_a_migration_blocks_nobody_and_can_be_tried_again(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert complaints(module.upgrade) == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX IF NOT EXISTS i ON offers (fare)",
        "CREATE INDEX CONCURRENTLY i ON offers (fare)",
        "DROP INDEX IF EXISTS i",
        "ALTER TABLE offers ADD CONSTRAINT c CHECK (fare > 0)",
        "ALTER TABLE offers ADD CONSTRAINT c FOREIGN KEY (order_id) REFERENCES orders (id)",
        "ALTER TABLE offers ADD CONSTRAINT c UNIQUE (order_id)",
        "ALTER TABLE offers ALTER COLUMN fare SET NOT NULL",
        "ALTER TABLE offers ALTER COLUMN fare TYPE bigint",
        "ALTER TABLE offers ADD COLUMN IF NOT EXISTS c text NOT NULL",
        "ALTER TABLE offers ADD COLUMN IF NOT EXISTS c uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE offers RENAME COLUMN fare TO price",
        "ALTER TABLE offers RENAME TO proposals",
        "ALTER TABLE offers DROP COLUMN IF EXISTS fare",
        "DROP TABLE IF EXISTS offers",
        "ALTER TABLE offers ADD CONSTRAINT c CHECK (fare > 0) NOT VALID;"
        " ALTER TABLE offers VALIDATE CONSTRAINT c",
    ],
)
def test_a_step_that_would_block_is_found(statement: str) -> None:
    assert complaints(lambda: steps.run(statement))


def test_what_is_no_step_of_its_own_is_found() -> None:
    statement = "ALTER TABLE offers ADD COLUMN IF NOT EXISTS c text"
    assert complaints(lambda: steps.run(statement)) == []
    assert complaints(lambda: op.execute(statement)) == [f"no step: {statement}"]
