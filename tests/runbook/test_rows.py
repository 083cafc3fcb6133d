"""Each state of the first section: provoked, named, as wrong as its row says, and ended by its advice."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import httpx
import pytest

from models import db
from tests import scenes
from tests.runbook.conftest import TTL_SECONDS
from tests.runbook.operator import Operator, rows
from tests.system import Person, ready, until

# What a busy machine may take to name a state, or to be well again.
PATIENCE_SECONDS = 60
FULL_QUEUE = 55


@dataclass(frozen=True)
class State:
    """A part of the system, what happens to it, the row that is for it, and the figure worth an alarm."""

    row: str
    harm: Callable[[Operator], None]
    figure: str
    value: str
    said: str = ""


def _store(name: str, harm: Callable[[Operator], None]) -> State:
    return State(name, harm, f'weelo_up{{part="{name}"}}', "0.0", "away")


def _worker(queue: str, harm: Callable[[Operator], None]) -> State:
    return State(
        "worker", harm, f'weelo_worker_up{{queue="{queue}"}}', "0.0", f"no worker for the queue {queue}"
    )


def _beat(harm: Callable[[Operator], None]) -> State:
    return State("beat", harm, "weelo_last_sweep_age_seconds", "+Inf", "no sweep has run")


LONG = {
    "Postgres away": _store("postgres", lambda operator: operator.kill("postgres")),
    "Redis frozen": _store("redis", lambda operator: operator.freeze("redis")),
    "beat stopped": _beat(lambda operator: operator.kill("beat")),
}
BY_HAND = {
    "orders stopped": _worker("orders", lambda operator: operator.kill("orders")),
    "sweeps stopped": _worker("sweeps", lambda operator: operator.kill("sweeps")),
    "Postgres frozen": _store("postgres", lambda operator: operator.freeze("postgres")),
    "Redis away": _store("redis", lambda operator: operator.kill("redis")),
    "orders frozen": _worker("orders", lambda operator: operator.freeze("orders")),
    "sweeps frozen": _worker("sweeps", lambda operator: operator.freeze("sweeps")),
    "beat frozen": _beat(lambda operator: operator.freeze("beat")),
}


def line(url: str, part: str) -> str:
    """What `/ready` says of a part."""
    try:
        said: dict[str, dict[str, dict[str, str]]] = httpx.get(f"{url}/ready", timeout=10).json()
    except httpx.HTTPError:
        return "no answer"
    return said.get("error", {}).get("data", {}).get(part, "ok")


def figure(url: str, name: str) -> str:
    text = httpx.get(f"{url}/metrics", timeout=10).text
    [value] = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE) or ["none"]
    return str(value)


def order(url: str) -> httpx.Response:
    customer = Person(url, "customer", uuid4().hex)
    return customer.order(scenes.body(), X_Idempotency_Key=uuid4().hex)


def searches(order_id: str) -> bool:
    """Whether the row of an order says that it searches."""
    with db.statements() as connection:
        statement = "SELECT searching FROM orders WHERE id = %s"
        return bool(connection.exec_driver_sql(statement, (order_id,)).scalar())


def named_and_ended(operator: Operator, state: State) -> None:
    url, row = operator.system.urls[0], rows()[state.row]
    until(partial(ready, url), PATIENCE_SECONDS, "the system is not well before")
    before = figure(url, state.figure)
    open_search = order(url).json()["data"]["order"]["id"]
    begun = time.monotonic()
    state.harm(operator)
    try:
        until(lambda: state.said in line(url, state.row), PATIENCE_SECONDS, "not named")
        until(lambda: figure(url, state.figure) == state.value, PATIENCE_SECONDS, "no alarm")
        named = time.monotonic() - begun
        placed = is_as_wrong_as_the_row_says(url, row.wrong, state, open_search)
    finally:
        begun = time.monotonic()
        operator.follow(state.row)
    until(partial(ready, url), PATIENCE_SECONDS, "not well again")
    until(lambda: figure(url, state.figure) != state.value, PATIENCE_SECONDS, "the alarm goes on")
    until(lambda: not searches(open_search), PATIENCE_SECONDS, "a search that was open has not ended")
    if placed:
        until(lambda: is_placed(placed), PATIENCE_SECONDS, "an accepted order was not placed")
    assert order(url).status_code == 201
    print(f"{state.said}: named after {named:.1f} s, over {time.monotonic() - begun:.1f} s later; {before}")


def is_placed(order_id: str) -> bool:
    with db.statements() as connection:
        statement = "SELECT count(*) FROM orders WHERE id = %s"
        return bool(connection.exec_driver_sql(statement, (order_id,)).scalar())


def is_as_wrong_as_the_row_says(url: str, wrong: str, state: State, open_search: str) -> str:
    """The id of the order that was accepted meanwhile, if one was."""
    if "nothing expires" in wrong and "orders" not in state.said:
        time.sleep(TTL_SECONDS)
        assert searches(open_search)
    answer = order(url)
    if status := re.search(r"\b(503|202)\b", wrong):
        assert answer.status_code == int(status[1])
    if answer.status_code == 503:
        assert "Retry-After" in answer.headers
        return ""
    found: str = answer.json()["data"]["order"]["id"]
    if "the sweeps place" in wrong and "orders" in state.said:
        until(lambda: is_placed(found), PATIENCE_SECONDS, "the sweeps did not place it")
    return found


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", LONG)
def test_a_state_is_named_and_the_rows_advice_ends_it(operator: Operator, name: str) -> None:
    named_and_ended(operator, LONG[name])


@pytest.mark.by_hand
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", BY_HAND)
def test_another_state_is_named_and_the_rows_advice_ends_it(operator: Operator, name: str) -> None:
    named_and_ended(operator, BY_HAND[name])


def health(url: str, part: str) -> bool:
    """Whether the console's banner would leave this part out."""
    answer = Person(url, "ops", "olga").http.get("/ops/overview").json()
    lines = answer["data" if answer["success"] else "error"]
    lines = lines["health"] if answer["success"] else lines["data"]["health"]
    return all(line["ok"] for line in lines if line["part"] == part)


@pytest.mark.by_hand
@pytest.mark.timeout(240)
def test_a_queue_whose_worker_hangs_is_named_and_a_restart_ends_it(operator: Operator) -> None:
    url = operator.system.urls[0]
    until(partial(ready, url), PATIENCE_SECONDS)
    operator.freeze("orders")
    try:
        sent = [
            Person(url, "customer", uuid4().hex).order(scenes.body(), Prefer="respond-async")
            for _ in range(FULL_QUEUE)
        ]
        assert {answer.status_code for answer in sent} == {202}
        until(lambda: not health(url, "queues"), PATIENCE_SECONDS, "not named")
    finally:
        operator.follow("queues")
    until(lambda: health(url, "queues"), PATIENCE_SECONDS, "not over")
    ids = [answer.json()["data"]["order"]["id"] for answer in sent]
    until(lambda: all(map(is_placed, ids)), PATIENCE_SECONDS, "a task was lost")


@pytest.mark.by_hand
@pytest.mark.timeout(240)
def test_notifications_that_wait_are_named_and_go_when_their_cause_is_over(operator: Operator) -> None:
    url = operator.system.urls[0]
    until(partial(ready, url), PATIENCE_SECONDS)
    customer = Person(url, "customer", uuid4().hex)
    placed = customer.order(scenes.body()).json()["data"]["order"]["id"]
    operator.kill("redis")
    try:
        assert customer.http.post(f"/orders/{placed}/cancel", json={"reason": "changed"}).status_code == 200
        until(lambda: not health(url, "notifications"), PATIENCE_SECONDS, "not named")
    finally:
        operator.follow("notifications")
    until(lambda: health(url, "notifications"), PATIENCE_SECONDS, "not over")
