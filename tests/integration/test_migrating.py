"""Migrations: two processes that start at once, a try that was cut off, and writers meanwhile."""

import os
import subprocess
import sys
import threading

from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from models import db
from tests.conftest import ROOT, Stores

ALEMBIC = [sys.executable, "-m", "alembic", "-c", "models/migrations/alembic.ini"]
INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


def new_database(stores: Stores, name: str) -> str:
    with db.statements() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        connection.exec_driver_sql("RESET statement_timeout")
    return make_url(stores.postgres.url).set(database=name).render_as_string(False)


def begin(url: str, version: str) -> subprocess.Popen[bytes]:
    verb = "downgrade" if version == "0010" else "upgrade"
    environment = {**os.environ, "DATABASE_URL": url}
    return subprocess.Popen([*ALEMBIC, verb, version], cwd=ROOT, env=environment, stderr=subprocess.PIPE)


def migrate(url: str, version: str) -> None:
    process = begin(url, version)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0, error.decode()


def test_two_processes_that_migrate_at_once_take_turns(stores: Stores) -> None:
    url = new_database(stores, "together")
    both = [begin(url, "head") for _ in range(2)]
    for process in both:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error.decode()


def test_indexes_are_built_under_writes_and_an_interrupted_one_is_built_again(stores: Stores) -> None:
    url = new_database(stores, "written")
    migrate(url, "head")
    migrate(url, "0010")
    engine = create_engine(
        url.replace("postgresql://", db.DIALECT, 1), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        # As an earlier try that was cut off leaves it.
        connection.exec_driver_sql("CREATE INDEX ix_orders_status ON orders (id)")
    stop, failed = threading.Event(), []

    def write() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("SET lock_timeout = '500ms'")
            while not stop.is_set():
                try:
                    connection.exec_driver_sql(
                        "INSERT INTO order_events (order_id, at, type, data)"
                        " VALUES (gen_random_uuid(), now(), 'order_expired', '{}')"
                    )
                except Exception as error:
                    failed.append(error)
                # Busy, but not so that it keeps the migrations from the processor.
                stop.wait(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for version in ("head", "0010", "head"):
            migrate(url, version)
    finally:
        stop.set()
        writer.join()
    assert failed == []
    with engine.connect() as connection:
        assert connection.exec_driver_sql(INVALID).scalar_one() == 0
        definition = connection.exec_driver_sql("SELECT pg_get_indexdef('ix_orders_status'::regclass)")
        assert "(status, id)" in definition.scalar_one()
