"""Migrations: two processes that start at once, a try that was cut off, and writers meanwhile."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from models import db, poolers
from models.migrations import steps
from tests.conftest import ROOT, Stores
from tests.growth.filling import fill_tables
from tests.system import until

ALEMBIC = [sys.executable, "-m", "alembic", "-c", "models/migrations/alembic.ini"]
# All others are migrated to from below.
DOWN_TO = ("0010", "0007")
INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


def new_database(stores: Stores, name: str) -> str:
    with db.statements() as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        connection.exec_driver_sql("RESET statement_timeout")
    return make_url(stores.postgres.url).set(database=name).render_as_string(False)


def autocommit(url: str) -> Engine:
    address = url.replace("postgresql://", db.DIALECT, 1)
    return create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")


def begin(url: str, version: str) -> subprocess.Popen[bytes]:
    verb = "downgrade" if version in DOWN_TO else "upgrade"
    environment = {**os.environ, "DATABASE_URL": url}
    return subprocess.Popen([*ALEMBIC, verb, version], cwd=ROOT, env=environment, stderr=subprocess.PIPE)


def migrate(url: str, version: str) -> None:
    process = begin(url, version)
    _, error = process.communicate(timeout=600)
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
    engine = autocommit(url)
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


@contextmanager
def stepping(url: str) -> Iterator[None]:
    """What this thread says in `steps` happens in that database."""
    with autocommit(url).connect() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            yield


def test_a_step_whose_table_is_held_lets_writers_pass_and_is_done_later(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    url = new_database(stores, "held")
    with autocommit(url).connect() as reader:
        reader.exec_driver_sql("CREATE TABLE held (id int)")
        reader.exec_driver_sql("BEGIN; LOCK held IN ACCESS SHARE MODE")

        def change() -> None:
            with stepping(url):
                steps.run("ALTER TABLE held ADD COLUMN IF NOT EXISTS more text")

        migration = threading.Thread(target=change)
        migration.start()
        said: list[str] = []

        def tries_again() -> bool:
            said.append(capsys.readouterr().err)
            return "tries again" in "".join(said)

        until(tries_again, 20)
        with autocommit(url).connect() as writer:
            # It would wait for the reader's end behind a step that waits for it.
            writer.exec_driver_sql("INSERT INTO held VALUES (1)")
        assert migration.is_alive()
        reader.exec_driver_sql("COMMIT")
        migration.join(20)
        assert reader.exec_driver_sql("SELECT more FROM held").one() == (None,)


def test_a_change_of_many_rows_goes_on_until_none_is_left(stores: Stores) -> None:
    url = new_database(stores, "many")
    with autocommit(url).connect() as connection, stepping(url):
        connection.exec_driver_sql(
            "CREATE TABLE many AS SELECT n, false AS done FROM generate_series(1, 25) AS n"
        )
        steps.repeat(
            "UPDATE many SET done = true WHERE n IN (SELECT n FROM many WHERE NOT done ORDER BY n LIMIT 10)"
        )
        assert connection.exec_driver_sql("SELECT bool_and(done) FROM many").scalar_one()


PLACE = """
    INSERT INTO orders SELECT (jsonb_populate_record(
        CAST(NULL AS orders), to_jsonb(o) || jsonb_build_object(
        'id', :id, 'customer_id', :id, 'searching', false, 'status', 'cancelled'))).*
    FROM (SELECT * FROM orders LIMIT 1) AS o;
    INSERT INTO truck_requests SELECT (jsonb_populate_record(
        CAST(NULL AS truck_requests), to_jsonb(t) || jsonb_build_object(
        'id', :id, 'order_id', :id, 'status', 'cancelled', 'driver_id', null, 'assigned_at', null))).*
    FROM (SELECT * FROM truck_requests LIMIT 1) AS t;
    INSERT INTO offers SELECT (jsonb_populate_record(
        CAST(NULL AS offers), to_jsonb(f) || jsonb_build_object(
        'id', gen_random_uuid(), 'order_id', :id, 'truck_request_id', :id, 'driver_id', 'grown-' || n,
        'state', 'cancelled', 'closed_at', now()))).*
    FROM (SELECT * FROM offers LIMIT 1) AS f, generate_series(1, 10) AS n
"""
CLOSE = "UPDATE offers SET closed_at = now() WHERE order_id = :id"


class Writers:
    """Who places orders as the product does, with its limits, while the tables change."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self.waited: list[float] = []
        self.refused: list[str] = []

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._write) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _write(self) -> None:
        engine = create_engine(self._url.replace("postgresql://", db.DIALECT, 1), poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(poolers.SET)
            connection.commit()
            while not self._stop.wait(0.01):
                order_id = connection.execute(text("SELECT CAST(gen_random_uuid() AS text)")).scalar_one()
                connection.commit()
                for statement in (PLACE, CLOSE):
                    begun = time.monotonic()
                    try:
                        connection.execute(text(statement), {"id": order_id})
                        connection.commit()
                    except DBAPIError as error:
                        connection.rollback()
                        self.refused.append(str(error.orig))
                    self.waited.append(time.monotonic() - begun)


def hold(url: str, seconds: float) -> None:
    """A reader whose transaction stays open."""
    with autocommit(url).connect() as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT * FROM offers, truck_requests LIMIT 1")
        time.sleep(seconds)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("offers", "held_s", "most_s"),
    [
        pytest.param(20_000, 4, 1.0, marks=pytest.mark.long),
        pytest.param(3_000_000, 0, 0.5, marks=pytest.mark.by_hand),
        pytest.param(3_000_000, 8, 0.5, marks=pytest.mark.by_hand),
    ],
)
def test_the_foreign_key_of_0008_is_changed_while_orders_are_placed(
    stores: Stores, offers: int, held_s: float, most_s: float
) -> None:
    url = new_database(stores, "placed")
    migrate(url, "head")
    fill_tables(url, offers // 10, 10, 10_000)
    migrate(url, "0007")
    writers = Writers(url)
    reader = threading.Thread(target=hold, args=(url, held_s))
    with writers.at_work():
        reader.start()
        time.sleep(0.2)
        begun = time.monotonic()
        migrate(url, "0008")
        took = time.monotonic() - begun
    reader.join()
    print(
        f"{offers} offers: {took:.1f} s, {len(writers.waited)} transactions beside it,"
        f" the longest {max(writers.waited):.2f} s, {len(writers.refused)} refused"
    )
    assert writers.refused == []
    assert max(writers.waited) < most_s
    with autocommit(url).connect() as connection:
        valid = "SELECT convalidated FROM pg_constraint WHERE conname = 'fk_offers_truck_request_id'"
        assert connection.exec_driver_sql(valid).scalar_one()
