"""What Postgres quotes of people's data in its errors reaches no log of any process."""

import io
import logging
import traceback
from contextlib import redirect_stdout

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models import db, logs
from models.prepared import Prepared
from tests import scenes
from tests.conftest import Stores

pytestmark = pytest.mark.usefixtures("clean")

NAME, PHONE = "Asha Devi", "+919876543210"
INSERT = """INSERT INTO drivers (id, name, phone, vehicle_type, vehicle_subtype, vehicle, vehicle_number)
    VALUES (:id, :name, :phone, 'T', 'S', 'T/S', 'DL 1')"""
# A key that is taken, a row that breaks a rule, values of another type, a statement that is wrong.
STATEMENTS = {
    "a key": INSERT,
    "a row": "INSERT INTO drivers (id, name, phone) VALUES (:id, :name, :phone)",
    "a number": "SELECT CAST(:name AS integer), :phone, :id",
    "an id": "SELECT CAST(:phone AS uuid), :name, :id",
    "JSON": "SELECT CAST(:name || '\"' AS jsonb), :phone, :id",
    "a statement": "SELECT :name :phone :id",
}


@pytest.fixture(params=STATEMENTS)
def error(request: pytest.FixtureRequest) -> DBAPIError:
    """What the statement raises, in a transaction or alone."""
    scenes.driver("ravi")
    statement, values = text(STATEMENTS[request.param]), {"id": "ravi", "name": NAME, "phone": PHONE}
    with pytest.raises(DBAPIError) as caught, db.transaction() as connection:
        connection.execute(statement, values)
    return caught.value


def test_an_error_says_what_was_wrong_and_nothing_of_anybody(error: DBAPIError) -> None:
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.orig)
    assert NAME not in shown
    assert PHONE not in shown
    assert "ravi" not in shown
    assert type(error.orig).__name__ in shown


@pytest.mark.parametrize("environment", ["development", "production"])
def test_no_log_line_has_it(error: DBAPIError, environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), write_through=True)
    with redirect_stdout(out):
        logs.configure("web")
        structlog.get_logger().exception("unexpected error", exc_info=error)
        # As Celery says it of a task.
        logging.getLogger("celery.app.trace").error("Task raised unexpected: %r", error, exc_info=error)
    said = out.buffer.getvalue().decode()
    assert "unexpected" in said
    assert PHONE not in said
    assert NAME not in said


def test_a_prepared_statement_says_nothing_of_anybody_either() -> None:
    prepared = Prepared("wrong", "SELECT CAST(:phone AS uuid)")
    with pytest.raises(DBAPIError) as caught, db.statements() as connection:
        prepared.execute(connection, {"phone": PHONE})
    assert PHONE not in "".join(traceback.format_exception(caught.value))


def test_neither_has_the_log_of_postgres(error: DBAPIError, stores: Stores) -> None:
    """What is left is the sentence itself, which quotes a text that is no value of its type."""
    said = stores.postgres.log.read_text()
    assert "ERROR:" in said
    assert [line for line in said.splitlines() if NAME in line and "invalid input" not in line] == []
    assert [line for line in said.splitlines() if PHONE in line and " at character " not in line] == []
