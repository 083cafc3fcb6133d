"""Statements that are prepared: once a connection, and never at the cost of an answer."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.exc import DBAPIError

from models import db, prepared
from models.prepared import Prepared
from tasks import orders
from tests import scenes
from tests.conftest import process_settings

pytestmark = [pytest.mark.usefixtures("clean"), pytest.mark.unpooled]

TYPES = Prepared(
    "types",
    """
    SELECT coalesce(:now, CAST('2000-01-01' AS timestamptz)) AS at, :count * interval '1 second' AS span,
        CAST(:ids AS uuid[]) AS ids, CAST(:names AS text[]) AS names, CAST(:data AS jsonb) AS data,
        CAST(:count AS float8) AS again, '100%' AS percent
""",
)
ORDER_ID = "01890000-0000-7000-8000-000000000000"
VALUES: dict[str, Any] = {"now": None, "count": 3, "ids": [ORDER_ID], "names": [], "data": "{}"}


@pytest.fixture(autouse=True)
def fresh_connections(clean: None) -> Iterator[None]:
    """Connections that have prepared nothing, and none that a test has spoilt afterwards."""
    db.dispose()
    yield
    prepared._Process.prepares = True
    db.dispose()


def names(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT name FROM pg_prepared_statements ORDER BY name")).scalars())


def select(connection: Connection, **values: Any) -> Any:
    (row,) = TYPES.execute(connection, VALUES | values)
    return row


@pytest.mark.parametrize("prepares", [True, False])
def test_values_arrive_as_they_are(prepares: bool) -> None:
    prepared._Process.prepares = prepares
    at = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    odd = ['a "quoted", {braced} \\ name', "", "NULL", "ünï", "it's 100 %s"]
    with db.transaction() as connection:
        assert select(connection).at == datetime(2000, 1, 1, tzinfo=UTC)
        row = select(connection, now=at, names=odd, data='{"a": "it\'s"}')
        assert (row.at, row.names, row.data, row.span.seconds) == (at, odd, {"a": "it's"}, 3)
        assert ([str(order_id) for order_id in row.ids], row.percent, row.again) == ([ORDER_ID], "100%", 3.0)


@pytest.mark.parametrize("engine", [db.engine, db.autocommit_engine])
def test_a_connection_prepares_once_and_its_successor_again(engine: Any) -> None:
    for _ in range(2):
        with engine().connect() as connection:
            assert names(connection) == []
            select(connection)
            select(connection)
            assert names(connection) == [TYPES.name]
            connection.invalidate()


@pytest.mark.parametrize("where", [db.transaction, db.statements])
def test_a_plan_is_made_again_after_a_while(where: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    since = "SELECT prepare_time FROM pg_prepared_statements"
    found = []
    for kept in (10, 10, 0):
        monkeypatch.setattr(prepared, "KEPT_SECONDS", kept)
        with where() as connection:
            select(connection)
            found.append(connection.exec_driver_sql(since).scalar_one())
    assert found[0] == found[1] < found[2]


def test_only_a_prepared_statement_is_kept_from_sequential_scans() -> None:
    setting = Prepared("setting", "SELECT current_setting(:name) AS value")
    with db.statements() as connection:
        assert setting.execute(connection, {"name": "enable_seqscan"})[0].value == "off"
        assert connection.exec_driver_sql("SHOW enable_seqscan").scalar_one() == "on"


def test_what_was_prepared_outlives_a_rollback() -> None:
    with db.engine().connect() as connection:
        select(connection)
        connection.rollback()
    with db.transaction() as connection:
        assert names(connection) == [TYPES.name]
        select(connection)


def test_a_refusal_is_that_of_the_statement_and_the_next_goes_through() -> None:
    wrong = Prepared("wrong", "SELECT nothing FROM nowhere WHERE id = :id")
    for _ in range(2):
        with pytest.raises(DBAPIError, match="nowhere"), db.transaction() as connection:
            wrong.execute(connection, {"id": 1})
        with pytest.raises(DBAPIError, match="uuid"), db.transaction() as connection:
            select(connection, ids=["no uuid"])
        with db.transaction() as connection:
            assert select(connection).percent == "100%"
    assert prepared._Process.prepares


def test_connections_that_a_fork_forgets_are_not_taken_for_prepared() -> None:
    with db.transaction() as connection:
        select(connection)
    db.forget_connections()
    with db.transaction() as connection:
        assert names(connection) == []
        select(connection)


@pytest.mark.parametrize("where", [db.transaction, db.statements])
def test_a_lost_statement_is_run_all_the_same_and_the_process_prepares_no_more(where: Any) -> None:
    with where() as connection:
        select(connection)
        connection.exec_driver_sql("DEALLOCATE ALL")
    with where() as connection:
        assert select(connection).percent == "100%"
        assert select(connection).percent == "100%"
        assert names(connection) == []


def test_a_name_that_is_taken_counts_as_lost() -> None:
    with db.transaction() as connection:
        select(connection)
        connection.info.clear()
    with db.transaction() as connection:
        assert select(connection).percent == "100%"
    assert not prepared._Process.prepares


def test_in_the_midst_of_a_transaction_a_lost_statement_fails_once() -> None:
    with db.engine().connect() as connection:
        select(connection)
        connection.exec_driver_sql("DEALLOCATE ALL")
        with pytest.raises(DBAPIError) as caught:
            select(connection)
    assert db.unreachable(caught.value), "whoever tries again must do so"
    with db.transaction() as connection:
        select(connection)


def test_an_answer_that_nobody_has_read_costs_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def once() -> list[str]:
        with db.statements() as connection:
            before = names(connection)
            assert select(connection).percent == "100%"
        return before

    assert once() == []
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(PGDialect_psycopg2, "do_execute", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            once()
    assert once() == []
    assert once() == [TYPES.name]


def test_a_server_that_has_ended_all_connections_costs_one_statement() -> None:
    with db.statements() as first, db.statements() as second, db.transaction() as third:
        for connection in (first, second):
            select(connection)
            driver: Any = connection.connection.driver_connection
            third.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": driver.info.backend_pid})
    with pytest.raises(DBAPIError) as caught, db.statements() as connection:
        select(connection)
    assert db.unreachable(caught.value)
    assert not db.refused(caught.value)
    with db.statements() as first, db.statements() as second:
        assert select(first).percent == select(second).percent == "100%"


def test_an_order_is_placed_by_servers_that_know_nothing_of_each_other() -> None:
    first, second = (scenes.admitted(name) for name in ("asha", "bina"))
    orders.place([first])
    for engine in db.ENGINES:
        with engine().connect() as connection:
            connection.exec_driver_sql("DEALLOCATE ALL")
            connection.commit()
    orders.place([second])
    third = scenes.admitted("chand")
    orders.place([third])
    with db.statements() as connection:
        placed = connection.execute(text("SELECT CAST(id AS text) FROM orders WHERE searching")).scalars()
        assert set(placed) == {first, second, third}


def test_a_setting_switches_it_off() -> None:
    with process_settings(DATABASE_PREPARE="false"), db.transaction() as connection:
        select(connection)
        assert names(connection) == []
