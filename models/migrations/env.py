"""Runs the migrations against DATABASE_URL, one process at a time."""

import contextlib
import time

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from models import db, settings
from models.tables import all, grants

# Any number, as long as nobody else uses it: two processes that start at once migrate in turn.
ADVISORY_LOCK = 7_433_105
TURN_SECONDS = 0.2
# A role may have the limits of the application (`grants.keep_limits`); an index takes as long as it needs.
UNLIMITED = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0"


def _wait_for_turn(connection: Connection) -> None:
    """Takes the lock for this session, since a migration may commit in between.

    A waiting process asks again and again: a statement that waits would hold up an index that is built
    concurrently, which waits for every statement that began before.
    """
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}).scalar():
        connection.rollback()
        time.sleep(TURN_SECONDS)
    connection.commit()


def run() -> None:
    with db.migrating_engine().connect() as connection:
        connection.exec_driver_sql(UNLIMITED)
        _wait_for_turn(connection)
        context.configure(
            connection=connection,
            target_metadata=all.TABLES[0].metadata,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        if role := settings.load().database_app_role:
            grants.grant(connection, role)
            connection.commit()
            with contextlib.suppress(ProgrammingError):
                grants.keep_limits(connection, role)
                connection.commit()


run()
