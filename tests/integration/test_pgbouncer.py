"""The system behind PgBouncer in transaction mode, which forgets what a session sets."""

from functools import partial
from pathlib import Path

import psycopg2
import pytest

from models import db, poolers
from tests import scenes
from tests.conftest import Stores, process_settings
from tests.pooler import PGBOUNCER, before
from tests.system import Person, listens, on_duty, running, until

pytestmark = [
    pytest.mark.by_hand,
    pytest.mark.skipif(not PGBOUNCER, reason="no pgbouncer here: apt-get install pgbouncer"),
]


def test_every_session_has_its_limits_though_nobody_has_set_them(stores: Stores) -> None:
    with before(stores.postgres.url) as settings:
        with psycopg2.connect(settings["DATABASE_URL"]) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("5s",)
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("3s",)
        connection.close()
        with process_settings(**settings):
            assert db.problem(must_answer=True) == ""
            with db.transaction() as one:
                assert one.exec_driver_sql(poolers.PID).scalar_one()


def test_an_order_goes_its_way_behind_it(stores: Stores, tmp_path: Path) -> None:
    with before(stores.postgres.url) as settings, running(stores.environment | settings, tmp_path) as system:
        until(partial(listens, f"{system.urls[0]}/ready"), 10)
        driver = on_duty(system.urls[0], "pooled-driver")
        answer = Person(system.urls[1], "customer", "pooled").order(scenes.body())
        assert answer.status_code == 201
        order_id = answer.json()["data"]["order"]["id"]
        accepted = driver.http.post(f"/orders/{order_id}/accept", json={})
        assert accepted.status_code == 200
        Person.forget_all()
