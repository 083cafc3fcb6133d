"""What is older than RETENTION_DAYS leaves with all that belongs to it; what is not stays as it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from models import db, messages, outbox
from models.keyset import LEAST_ID
from models.messages import Message
from models.tables import all
from tasks import drivers, orders, sweeps
from tests import scenes
from tests.conftest import Stores, process_settings
from tools.bench.growth import write_past
from workers import cleaning, erasing, failing, retention, revoking
from workers.offers import accepting
from workers.operating import drivers as operated
from workers.operating import orders as operating
from workers.orders import cancelling, expiring

PAST = 1000
TABLES = ("orders", "truck_requests", "offers", "order_events")


@pytest.fixture(autouse=True)
def _kept_for_a_month(clean: None, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every run begins a round of its own."""
    monkeypatch.setattr(retention.Round, "pages", None)
    monkeypatch.setattr(retention, "PAUSE", timedelta(0))
    with process_settings(**stores.environment, RETENTION_DAYS="30"):
        yield


def later(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def counts() -> dict[str, int]:
    with db.statements() as connection:
        return {
            table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for table in (*TABLES, "drivers")
        }


def test_orders_past_their_time_leave_with_offers_trucks_and_events(stores: Stores) -> None:
    write_past(stores.postgres.url, PAST)
    assert retention.forget(later(26), seconds=60) == 0
    assert counts() | {"drivers": 0} == dict.fromkeys((*TABLES, "drivers"), PAST) | {"drivers": 0}
    assert retention.forget(later(40), seconds=60) == PAST
    assert counts() == dict.fromkeys((*TABLES, "drivers"), 0)


def test_a_turn_whose_time_is_over_deletes_a_batch_of_each_kind() -> None:
    for number, driver in enumerate(("ravi", "mira")):
        drivers.set_available(scenes.driver(driver, number), False)
    expired, cancelled = scenes.placed("asha").order_id, scenes.placed("bina").order_id
    expiring.end_now(expired, "olga")
    cancelling.cancel("bina", cancelled, "rain")
    assert retention.forget(later(31), seconds=0) == 4
    assert counts() == dict.fromkeys((*TABLES, "drivers"), 0)


def test_an_order_that_has_not_ended_stays_however_old_and_so_does_its_driver() -> None:
    scenes.driver("ravi")
    accepting.accept("ravi", scenes.placed("asha").order_id)
    before = counts()
    assert retention.forget(later(400), seconds=60) == 0
    assert counts() == before


def test_a_driver_leaves_once_silent_for_so_long_and_nothing_refers_to_them() -> None:
    scenes.driver("ravi")
    scenes.driver("away", km_north=900)
    order_id = scenes.placed("asha").order_id
    drivers.set_available("away", False)
    assert retention.forget(later(26), seconds=60) == 0
    assert retention.forget(later(31), seconds=60) == 1
    assert counts()["drivers"] == 1
    expiring.end_now(order_id, "olga")
    assert retention.forget(later(31), seconds=60) == 2
    assert counts()["drivers"] == 0


def test_all_drivers_are_looked_at_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE", timedelta(hours=1))
    monkeypatch.setattr(retention.Round, "ended", None)
    assert retention.forget(later(0), seconds=60) == 0
    scenes.driver("ravi")
    drivers.set_available("ravi", False)
    with db.statements() as connection:
        connection.exec_driver_sql("UPDATE drivers SET updated_at = now() - interval '40 days'")
    assert retention.forget(later(0.03), seconds=60) == 0
    assert retention.forget(later(0.05), seconds=60) == 1


def count(table: str) -> int:
    with db.statements() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_what_operators_noted_of_drivers_and_erasures_leaves_by_its_age() -> None:
    for days in (40, 20):
        drivers.set_available(scenes.driver("ravi"), True)
        operated.put_off_duty("ravi", "olga", "tired", now=later(-days))
        erasing.customer("nobody-known", "asked for", "olga")
    with db.statements() as connection:
        connection.exec_driver_sql(
            "UPDATE erasures SET at = now() - interval '40 days' WHERE id = (SELECT min(id) FROM erasures)"
        )
    assert retention.forget(seconds=60) == 2
    assert (count("driver_events"), count("erasures")) == (1, 1)


def test_no_note_that_is_younger_than_a_day_can_be_taken_away() -> None:
    drivers.set_available(scenes.driver("ravi"), True)
    operated.put_off_duty("ravi", "olga", "tired")
    erasing.customer("nobody-known", "asked for", "olga")
    retention.forget(later(400), seconds=60)
    assert (count("driver_events"), count("erasures")) == (1, 1)


def test_the_event_of_an_order_that_was_never_placed_leaves_too() -> None:
    operating.cancel(scenes.admitted("asha"), "olga", "asked by phone")
    kept = scenes.placed("bina", vehicle=("TRUCK", "NOBODYS")).order_id
    assert retention.forget(later(26), seconds=60) == 0
    events = count("order_events")
    assert retention.forget(later(31), seconds=60) == 1
    assert count("order_events") == events - 1
    with db.statements() as connection:
        left = connection.exec_driver_sql("SELECT DISTINCT order_id FROM order_events").scalars()
        assert {str(order_id) for order_id in left} == {kept}


def test_what_could_not_be_delivered_for_so_long_leaves() -> None:
    with db.transaction() as connection:
        notice = Message(messages.driver("ravi"), "availability_changed", {}, key="off_duty:1")
        outbox.add(connection, LEAST_ID, [notice])
    retention.forget(later(26), seconds=60)
    assert count("outbox") == 1
    retention.forget(later(31), seconds=60)
    assert count("outbox") == 0


# Made once by the first process that needs them.
BOUNDED = {"secrets"}
ROWS = """
    INSERT INTO track_parts SELECT id, 'ravi', 0, '{}' FROM truck_requests;
    INSERT INTO failed_rows VALUES ('expire', 'one', 1, now(), now(), 'ValueError');
    INSERT INTO secrets VALUES ('one', '');
    UPDATE erasures SET at = now() - interval '40 days';
"""


def rows() -> dict[str, int]:
    return {table.name: count(table.name) for table in all.TABLES}


def test_every_table_is_empty_when_the_time_of_its_rows_is_over() -> None:
    """A new table needs a row here, an end, and its line in docs/decisions/0047-retention.md."""
    drivers.set_available(scenes.driver("ravi"), True)
    operated.put_off_duty("ravi", "olga", "tired", now=later(-40))
    drivers.set_available("ravi", True)
    orders.cancel("asha", scenes.placed("asha").order_id, "found another")
    scenes.placed("bina", vehicle=("TRUCK", "NOBODYS"))
    erasing.customer("nobody-known", "asked for", "olga")
    revoking.revoke("token", later(1))
    with db.statements() as connection:
        connection.exec_driver_sql(ROWS)
    assert [name for name, found in rows().items() if not found] == []
    expiring.expire_all([str(order_id) for order_id in searching()], later(1))
    for forget in (retention.forget, cleaning.forget_admissions, revoking.forget, failing.forget):
        forget(later(40))
    assert {name for name, found in rows().items() if found} == BOUNDED


def searching() -> list[str]:
    with db.statements() as connection:
        return list(connection.exec_driver_sql("SELECT id FROM orders WHERE searching").scalars())


def test_rows_that_somebody_holds_are_left_for_the_next_run(stores: Stores) -> None:
    write_past(stores.postgres.url, 10)
    with db.transaction() as connection:
        connection.exec_driver_sql("SELECT FROM orders ORDER BY id LIMIT 3 FOR UPDATE")
        assert retention.forget(later(40), seconds=60) == 7
    assert retention.forget(later(40), seconds=60) == 3


def test_without_the_setting_everything_is_kept(stores: Stores) -> None:
    write_past(stores.postgres.url, 10)
    with process_settings(RETENTION_DAYS="0"):
        assert retention.forget(later(4000), seconds=60) == 0
        assert sweeps.retain() == 0
    assert counts()["orders"] == 10
