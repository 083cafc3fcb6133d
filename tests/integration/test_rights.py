"""The application's role: it can do its whole work and nothing to the tables themselves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from psycopg2 import errors

from models import db, poolers
from tests import scenes
from tests.conftest import ROOT, Stores, process_settings
from workers import cleaning, erasing, retention, revoking
from workers.offers import accepting
from workers.orders import expiring

ROLE, DATABASE = "app-role", "of_another"


@pytest.fixture(scope="module")
def app_url(stores: Stores) -> Iterator[str]:
    """A database whose tables the migrations have made under the owner, and the application's way to it."""
    owner = psycopg2.connect(stores.postgres.url)
    owner.autocommit = True
    with owner.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"CREATE ROLE \"{ROLE}\" LOGIN PASSWORD 'app'")
    subprocess.run(
        [sys.executable, "-m", "alembic", "-c", "models/migrations/alembic.ini", "upgrade", "head"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": stores.postgres.url_of(DATABASE), "DATABASE_APP_ROLE": ROLE},
        check=True,
        capture_output=True,
    )
    host = stores.postgres.url.rpartition("@")[2].partition("/")[0]
    yield f"postgresql://{ROLE}:app@{host}/{DATABASE}"
    with owner.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        cursor.execute(f'DROP ROLE "{ROLE}"')
    owner.close()


@pytest.fixture
def _as_the_application(app_url: str, redis_url: str, stores: Stores) -> Iterator[None]:
    with process_settings(DATABASE_URL=app_url, RETENTION_DAYS="30"):
        yield


@pytest.mark.usefixtures("_as_the_application")
def test_the_application_does_its_whole_work() -> None:
    driver = scenes.driver("dev")
    outcome = scenes.placed("asha")
    accepting.accept(driver, outcome.order_id)
    other = scenes.placed("ravi", vehicle=("TRUCK", "NOBODYS"))
    expiring.end_now(other.order_id, "olga")
    cleaning.forget_admissions()
    with db.statements() as connection:
        connection.exec_driver_sql("DELETE FROM outbox")
    erasing.customer("ravi", "asked for", "olga")
    revoking.forget()
    with db.transaction() as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar_one() == ROLE
        assert connection.exec_driver_sql("SELECT count(*) FROM orders").scalar_one() == 2
    assert retention.forget(datetime.now(UTC) + timedelta(days=31), seconds=60) == 1


def test_a_session_of_the_application_has_its_limits_without_setting_them(app_url: str) -> None:
    """So a pooler that shares sessions keeps them."""
    connection = psycopg2.connect(app_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, reset_val FROM pg_settings WHERE name = ANY(%s)", [list(poolers.SESSION)]
            )
            assert dict(cursor.fetchall()) == poolers.SESSION
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("5s",)
    finally:
        connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE orders",
        "ALTER TABLE orders DROP CONSTRAINT ck_orders_status",
        "DROP INDEX one_searching_order_per_customer",
        "ALTER TABLE order_events DISABLE TRIGGER ALL",
        "TRUNCATE orders CASCADE",
        "CREATE TABLE theirs (a int)",
        "CREATE FUNCTION theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "UPDATE order_events SET type = 'x'",
        "DELETE FROM order_events",
        "UPDATE alembic_version SET version_num = '0000'",
        "CREATE ROLE theirs SUPERUSER",
        "COPY orders TO PROGRAM 'true'",
    ],
)
def test_it_may_not_touch_what_holds_the_rules(app_url: str, statement: str) -> None:
    connection = psycopg2.connect(app_url)
    try:
        with connection.cursor() as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute(statement)
    finally:
        connection.close()
