"""Runs the migrations against DATABASE_URL, one process at a time."""

from alembic import context
from sqlalchemy import create_engine, text

from models import db, rights, settings, tables

# Any number, as long as nobody else uses it: two processes that start at once migrate in turn.
ADVISORY_LOCK = 7_433_105


def run() -> None:
    engine = create_engine(db.sqlalchemy_url(settings.load().database_url))
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=tables.TABLES[0].metadata)
        with context.begin_transaction():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            context.run_migrations()
            if role := settings.load().database_app_role:
                rights.grant(connection, role)


run()
