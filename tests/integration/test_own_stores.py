"""A test that works on other stores for a while leaves this process as it was."""

import os
import re

import pytest

from models import db, live, settings
from tests.conftest import ROOT, Stores, own_stores, process_settings


@pytest.mark.unpooled
def test_stores_of_ones_own_leave_the_stores_of_the_session_in_use(stores: Stores, redis_url: str) -> None:
    live.commands().set("alive:session", "1", ex=600)
    with own_stores("weelo-test-nested-") as nested:
        assert settings.load().database_url == nested.postgres.url != stores.postgres.url
        assert live.commands().get("alive:session") is None
    assert settings.load().database_url == stores.postgres.url
    assert live.commands().get("alive:session") == "1"
    with db.transaction() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_settings_of_a_block_end_with_it_also_when_it_fails() -> None:
    before = dict(os.environ)
    assert "TILE_URL" not in before

    def fail() -> None:
        with process_settings(APP_ENV="development", TILE_URL="https://tiles.example/{z}/{x}/{y}.png"):
            assert settings.load().tile_url
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (settings.load().app_env, settings.load().tile_url) == ("test", "")
    assert dict(os.environ) == before | {"PYTEST_CURRENT_TEST": os.environ["PYTEST_CURRENT_TEST"]}


def test_no_other_test_writes_to_the_environment_of_this_process() -> None:
    writes = re.compile(r"os\.environ(\[[^]]+\] =|\.(update|pop|setdefault|clear)\()|os\.putenv")
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("*.py")
        if writes.search(path.read_text())
    }
    assert found == {"tests/conftest.py"}
