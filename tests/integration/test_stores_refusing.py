"""A store that answers and refuses: 503 and when to come again, named by `/ready`, and let go of."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
import redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models import db, live, settings, store_urls
from models.prepared import Prepared
from tasks import AWAY, sweeps
from tests import scenes
from tests.clients import Caller, code
from tests.conftest import Stores, forget_configuration
from web import create_app
from workers.orders import placing, recovering

WRITES = Prepared(
    "writes", "INSERT INTO outbox (order_id, body) VALUES (CAST(:id AS uuid), '{}') RETURNING id"
)
SOME_ID = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(autouse=True)
def healthy(aside: pytest.MonkeyPatch) -> Iterator[None]:
    """Both stores whole, before and after, and no connection that remembers otherwise."""
    db.dispose()
    db._LetGo.since = 0.0
    yield
    db.dispose()
    live.breaker.reset()


@contextmanager
def read_only(stores: Stores) -> Iterator[None]:
    """Postgres as a demoted primary is: every session, old or new, may only read."""
    _configure(stores, "SET default_transaction_read_only = on")
    try:
        yield
    finally:
        _configure(stores, "RESET default_transaction_read_only")


def _configure(stores: Stores, change: str) -> None:
    options = "-c default_transaction_read_only=off"
    with closing(psycopg2.connect(stores.postgres.url, options=options)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER SYSTEM {change}")
            cursor.execute("SELECT pg_reload_conf(), pg_sleep(0.2)")


def ready() -> tuple[int, dict[str, str]]:
    answer = create_app().test_client().get("/ready")
    assert answer.json
    return answer.status_code, answer.json["data"] if answer.status_code == 200 else answer.json["error"][
        "data"
    ]


def test_every_route_that_writes_says_when_to_come_again_while_postgres_is_read_only(stores: Stores) -> None:
    customer, driver, ops = (
        Caller(*who) for who in (("customer", "asha"), ("driver", "ravi"), ("ops", "olga"))
    )
    scenes.driver("ravi")
    placed = scenes.placed("asha")
    order_id, key = placed.order_id, {"truckRequestId": _truck(placed.order_id)}
    registration = {
        "name": "R",
        "phone": "+911234567890",
        "vehicleType": "TRUCK",
        "vehicleSubtype": "TATA_ACE",
        "vehicleNumber": "DL",
    }
    calls: dict[str, Callable[[], Any]] = {
        "order": lambda: Caller("customer", "bina").post("/orders", scenes.body()),
        "cancel": lambda: customer.post(f"/orders/{order_id}/cancel", {"reason": "no"}),
        "register": lambda: driver.put("/drivers/me", registration),
        "availability": lambda: driver.put("/drivers/me/availability", {"available": False}),
        "accept": lambda: driver.post(f"/orders/{order_id}/accept"),
        "decline": lambda: driver.post(f"/orders/{order_id}/decline"),
        "positions": lambda: driver.post(
            "/drivers/me/locations", {"locations": [{"latitude": 28.5, "longitude": 77.3}]}
        ),
        "expire": lambda: ops.post(f"/ops/orders/{order_id}/expire"),
        "rebroadcast": lambda: ops.post(f"/ops/orders/{order_id}/rebroadcast"),
    }
    assert key
    with read_only(stores):
        answers = {name: call() for name, call in calls.items()}
    found = {name: (code(answer), answer.headers.get("Retry-After")) for name, answer in answers.items()}
    refused = ((503, "SERVICE_UNAVAILABLE"), "2")
    assert {name: answer for name, answer in found.items() if answer != refused} == {}
    assert Caller("customer", "bina").post("/orders", scenes.body()).status_code in (201, 202)


def _truck(order_id: str) -> str:
    with db.statements() as connection:
        return str(
            connection.execute(
                text("SELECT id FROM truck_requests WHERE order_id = :id"), {"id": order_id}
            ).scalar_one()
        )


def test_ready_names_a_postgres_that_only_reads(stores: Stores) -> None:
    assert ready()[1]["postgres"] == "ok"
    with read_only(stores):
        status, states = ready()
        assert (status, states["postgres"]) == (503, "refuses (ReadOnlySqlTransaction)")
    assert ready()[1]["postgres"] == "ok"


def test_what_ready_writes_is_taken_back() -> None:
    ready()
    with db.statements() as connection:
        assert connection.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 0


@pytest.mark.parametrize("prepares", [True, False])
@pytest.mark.parametrize("where", [db.transaction, db.statements])
def test_the_pool_lets_go_of_connections_to_a_demoted_primary(where: Any, prepares: bool) -> None:
    """Each old connection may only read, as if it led to the old primary; new ones lead to the new one."""
    demoted = _demote_all()
    write = WRITES.execute if prepares else _plain
    with pytest.raises(db.Unavailable), where() as connection:
        write(connection, {"id": SOME_ID})
    pids = set()
    for engine in db.ENGINES:
        for _ in range(3):
            with engine().connect() as connection:
                pids.add(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
                connection.rollback()
    assert not pids & demoted
    with where() as connection:
        write(connection, {"id": SOME_ID})


def _plain(connection: Any, values: dict[str, Any]) -> None:
    connection.execute(text("INSERT INTO outbox (order_id, body) VALUES (CAST(:id AS uuid), '{}')"), values)


def _demote_all() -> set[int]:
    found = set()
    for engine in db.ENGINES:
        held = [engine().connect() for _ in range(3)]
        for connection in held:
            found.add(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            connection.exec_driver_sql("SET default_transaction_read_only = on")
            connection.commit()
            connection.close()
    return found


def test_a_primary_that_stays_read_only_is_not_connected_to_for_every_statement(stores: Stores) -> None:
    pids = set()
    with read_only(stores):
        for _ in range(50):
            with db.statements() as connection:
                pids.add(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
                with pytest.raises(db.Unavailable):
                    _plain(connection, {"id": SOME_ID})
    assert len(pids) < 5


RAISE = "DO $$ BEGIN RAISE EXCEPTION 'so' USING ERRCODE = '{}'; END $$"
# The store's own trouble, and whether the statement has certainly not happened.
STORES_OWN = {
    "25006": True, "25P03": False, "28000": True, "28P01": True, "3D000": True, "3F000": True, "42501": True,
    "42P01": True, "42703": True, "40001": True, "40003": False, "40P01": True, "53100": True, "53200": True,
    "53300": True, "53400": True, "55006": True, "55P03": True, "57014": True, "57P01": False, "57P02": False,
    "57P03": False, "57P04": False, "58030": False, "08000": False, "08006": False, "08P01": False,
    "XX000": False, "XX001": False, "F0000": False, "26000": True,
}  # fmt: skip
# Mistakes of ours or of an input: a repeat does not help.
OURS = ["22001", "22P02", "23505", "23514", "42601", "42883", "54000", "21000", "0A000", "P0001", "25P02"]


@pytest.mark.parametrize("sqlstate", STORES_OWN)
@pytest.mark.parametrize("where", [db.transaction, db.statements])
def test_an_error_of_the_store_is_unavailable_wherever_it_comes_from(where: Any, sqlstate: str) -> None:
    with pytest.raises(db.Unavailable) as caught, where() as connection:
        connection.exec_driver_sql(RAISE.format(sqlstate))
    assert db.unreachable(caught.value)
    assert isinstance(caught.value, AWAY)
    assert db.refused(caught.value) is STORES_OWN[sqlstate]


@pytest.mark.parametrize("sqlstate", OURS)
def test_a_mistake_of_ours_is_not(sqlstate: str) -> None:
    with pytest.raises(DBAPIError) as caught, db.transaction() as connection:
        connection.exec_driver_sql(RAISE.format(sqlstate))
    assert not db.unreachable(caught.value)


@pytest.mark.parametrize("sqlstate", ["25006", "53100", "42501"])
def test_a_prepared_statement_says_the_same(sqlstate: str) -> None:
    raising = Prepared(f"raising_{sqlstate.lower()}", f"SELECT weelo_raise('{sqlstate}', :x)")
    with db.statements() as connection:
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION weelo_raise(code text, x text) RETURNS int LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'so' USING ERRCODE = code; END $$"
        )
    with pytest.raises(db.Unavailable), db.statements() as connection:
        raising.execute(connection, {"x": "y"})
    with db.statements() as connection:
        connection.exec_driver_sql("DROP FUNCTION weelo_raise")


@pytest.mark.parametrize("sqlstate", ["53100", "42501", "25006"])
def test_an_admission_that_the_store_refused_to_place_is_not_counted_out(
    sqlstate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five tries of its own make an admission dead; those that the store refused are none."""
    order_id = scenes.admitted("asha")
    with db.statements() as connection:
        connection.execute(text("UPDATE admissions SET created_at = created_at - interval '5 seconds'"))

    def refuse(*_: Any) -> None:
        with db.statements() as connection:
            connection.exec_driver_sql(RAISE.format(sqlstate))

    monkeypatch.setattr("workers.orders.placing.insert_orders", refuse)
    for _ in range(8):
        sweeps.recover()
        with db.statements() as connection:
            connection.execute(text("UPDATE admissions SET created_at = created_at - interval '60 seconds'"))
    with db.statements() as connection:
        state = connection.execute(
            text("SELECT state FROM admissions WHERE order_id = :id"), {"id": order_id}
        )
        assert state.scalar_one() == "queued"
    monkeypatch.undo()
    assert recovering.overdue()


def test_a_sweep_that_the_store_refuses_as_a_whole_does_not_try_one_by_one() -> None:
    asked: list[list[str]] = []

    def step(order_ids: Any) -> Any:
        asked.append(list(order_ids))
        with db.statements() as connection:
            connection.exec_driver_sql(RAISE.format("25006"))

    assert sweeps._each("step", ["a", "b", "c"], step) == 0
    assert asked == [["a", "b", "c"]]


def valkey_turns(stores: Stores, on: str) -> None:
    """Has Valkey refuse in one of its ways, or none (``whole``)."""
    ways = {
        "READONLY": ["REPLICAOF 127.0.0.1 1"],
        "MASTERDOWN": ["CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"],
        "OOM": ["CONFIG SET maxmemory 1"],
        "NOREPLICAS": ["CONFIG SET min-replicas-to-write 1"],
        "NOPERM": ["ACL SETUSER default -@write"],
        "whole": [
            "REPLICAOF NO ONE", "CONFIG SET replica-serve-stale-data yes", "CONFIG SET maxmemory 0",
            "CONFIG SET min-replicas-to-write 0", "ACL SETUSER default +@all",
        ],
    }  # fmt: skip
    with redis.Redis.from_url(stores.valkey.url) as client:
        for command in ways[on]:
            client.execute_command(*command.split())


# A replica says what it is before it says that it has lost its primary.
SAID = {"MASTERDOWN": "READONLY"}
REFUSALS = ["READONLY", "MASTERDOWN", "OOM", "NOREPLICAS", "NOPERM"]


@pytest.fixture
def refusing(stores: Stores, aside: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    # Nothing wakes an order up meanwhile, however long it waits.
    aside.setenv("ORDER_WAIT_SECONDS", "0.5")
    forget_configuration()
    live.commands().ping()
    valkey_turns(stores, request.param)
    yield request.param
    valkey_turns(stores, "whole")


@pytest.mark.parametrize("refusing", REFUSALS, indirect=True)
def test_an_order_survives_a_redis_that_refuses(refusing: str, stores: Stores) -> None:
    answer = Caller("customer", "asha").post("/orders", scenes.body())
    assert answer.status_code == 202
    assert placing.place_overdue(answer.json["data"]["order"]["id"])  # type: ignore[index]


@pytest.mark.parametrize("refusing", REFUSALS, indirect=True)
def test_ready_names_a_redis_that_refuses_and_blames_nobody_else(refusing: str, stores: Stores) -> None:
    for _ in range(2):
        status, states = ready()
        assert (status, states["redis"]) == (503, f"refuses ({SAID.get(refusing, refusing)})")
        assert (states["worker"], states["beat"]) == ("not known without Redis",) * 2
    valkey_turns(stores, "whole")
    live.breaker.reset()
    assert ready()[1]["redis"] == "ok"


def test_connections_to_a_redis_that_is_no_primary_any_more_are_not_used_again(stores: Stores) -> None:
    pool: Any = live.commands().connection_pool
    held = [pool.get_connection() for _ in range(3)]
    sockets = {id(connection._sock) for connection in held}
    kept = [connection._sock for connection in held]
    for connection in held:
        pool.release(connection)
    valkey_turns(stores, "READONLY")
    try:
        with pytest.raises(redis.ReadOnlyError):
            live.run_all([("SET", "alive:ready", "1", "EX", "1")])
    finally:
        valkey_turns(stores, "whole")
    live.breaker.reset()
    again = [pool.get_connection() for _ in range(3)]
    assert kept
    assert not sockets & {id(connection._sock) for connection in again}
    for connection in again:
        pool.release(connection)
    assert live.run_all([("SET", "alive:ready", "1", "EX", "1")])


def test_the_settings_read_by_people_hide_what_is_secret() -> None:
    assert store_urls.postgres(settings.load().database_url)["password"] not in repr(settings.load())
