"""The lines of the console's banner: each part by name, with a detail, and only while it is not well."""

from typing import Any

import pytest
from sqlalchemy import text

from models import db
from models.live import alive, refusals
from tests import scenes
from tests.clients import Caller, code
from tests.conftest import forget_configuration
from web.documents import markdown_page
from workers import failing
from workers.orders import recovering

pytestmark = pytest.mark.usefixtures("aside")
OLGA = ("ops", "olga")
ALL = (alive.queue("orders"), alive.queue("sweeps"), alive.BEAT)


def lines() -> dict[str, dict[str, Any]]:
    answer: Any = Caller(*OLGA).get("/ops/overview").json
    return {line["part"]: line for line in answer["data"]["health"]}


def wrong() -> set[str]:
    return {part for part, line in lines().items() if not line["ok"]}


def test_a_system_at_work_has_no_line_that_is_wrong() -> None:
    alive.say(*ALL)
    assert wrong() == set()
    assert list(lines()) == [
        "postgres",
        "redis",
        "worker",
        "beat",
        "queues",
        "rows",
        "notifications",
        "refusals",
    ]


def test_a_silent_worker_is_named_and_beat_is_not_accused_without_sweeps() -> None:
    alive.say(alive.queue("orders"))
    found = lines()
    assert found["worker"]["detail"] == "no worker for the queue sweeps"
    assert "beat" not in found


def test_what_waits_or_was_given_up_is_named() -> None:
    alive.say(*ALL)
    dead = scenes.admitted("unlucky")
    for _ in range(6):
        recovering.may_try(dead)
    failing.note("expire", "a row", ValueError())
    refusals.add(7)
    scenes.driver("one")
    scenes.placed()
    with db.transaction() as connection:
        connection.execute(text("UPDATE outbox SET created_at = now() - interval '11 seconds'"))
    assert wrong() == {"rows", "notifications", "refusals"}
    assert lines()["rows"]["detail"] == "1 orders given up, 1 rows set aside"


def test_without_redis_nothing_is_said_of_what_only_redis_knows(aside: pytest.MonkeyPatch) -> None:
    aside.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    forget_configuration()
    found = lines()
    assert not found["redis"]["ok"]
    assert not {"worker", "beat", "queues"} & set(found)


def test_without_postgres_the_refusal_names_it(aside: pytest.MonkeyPatch) -> None:
    alive.say(*ALL)
    aside.setenv("DATABASE_URL", "postgresql://weelo@127.0.0.1:1/weelo")
    forget_configuration()
    refused: Any = Caller(*OLGA).get("/ops/overview")
    assert code(refused) == (503, "SERVICE_UNAVAILABLE")
    health = refused.json["error"]["data"]["health"]
    assert [line["part"] for line in health if not line["ok"]] == ["postgres"]


def test_each_line_leads_to_a_row_of_the_runbook() -> None:
    alive.say(*ALL)
    page = markdown_page.html(markdown_page.RUNBOOK.read_text())
    for address in (*(line["runbook"] for line in lines().values()), "/runbook#web"):
        assert f'<tr id="{address.partition("#")[2]}">' in page
