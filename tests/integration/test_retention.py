"""What is older than RETENTION_DAYS leaves with all that belongs to it; what is not stays as it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from models import db
from tasks import drivers, sweeps
from tests import scenes
from tests.conftest import Stores, process_settings
from tools.bench.growth import write_past
from workers import retention
from workers.offers import accepting
from workers.orders import expiring

PAST = 1000
TABLES = ("orders", "truck_requests", "offers", "order_events")


@pytest.fixture(autouse=True)
def _kept_for_a_month(clean: None, stores: Stores) -> Iterator[None]:
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
