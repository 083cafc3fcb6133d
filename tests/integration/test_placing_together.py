"""Orders that are placed in one batch: each succeeds or fails alone."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from models import db, live
from models.live import mailbox
from models.messages import iso
from tasks import followups, orders, sweeps
from tests import scenes
from web.admission import door, group_commit
from workers.orders import admitting, placing, placing_sql, recovering
from workers.orders.admitting import AdmissionRequest
from workers.orders.placing_sql import Outcome

pytestmark = pytest.mark.usefixtures("clean")

OVERDUE = "created_at = now() - interval '3 seconds'"


def states() -> dict[str, str]:
    with db.statements() as connection:
        rows = connection.execute(text("SELECT order_id, state FROM admissions"))
        return {str(row.order_id): row.state for row in rows}


def changed(order_id: str, sql: str) -> str:
    with db.transaction() as connection:
        connection.execute(text(f"UPDATE admissions SET {sql} WHERE order_id = :id"), {"id": order_id})
    return order_id


def test_each_has_its_own_trucks_offers_and_story() -> None:
    scenes.driver("ravi", 1)
    scenes.driver("mira", 1, vehicle=("TRUCK", "OPEN_17FT"))
    one = scenes.admitted("asha")
    other = scenes.admitted("bina", trucks=2, vehicle=("TRUCK", "OPEN_17FT"))
    outcomes = {outcome.order_id: outcome for outcome in scenes.place([one, other])}
    assert {outcome.state for outcome in outcomes.values()} == {"placed"}
    asked = {
        order_id: [message.to for message in outcome.followup.messages]
        for order_id, outcome in outcomes.items()
        if outcome.followup
    }
    assert asked == {one: ["driver:ravi"], other: ["driver:mira"]}
    with db.statements() as connection:
        trucks = connection.execute(text("SELECT order_id, count(*) AS n FROM truck_requests GROUP BY 1"))
        assert {str(row.order_id): row.n for row in trucks} == {one: 1, other: 2}
        told = connection.execute(text("SELECT order_id, type FROM order_events ORDER BY id")).all()
    for order_id in (one, other):
        kinds = [row.type for row in told if str(row.order_id) == order_id]
        assert kinds == ["order_placed", "wave_sent"]


def test_an_order_whose_driver_cannot_be_asked_is_placed_again_alone_and_without_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = _one_whose_nearest_driver_is_not_there()
    placed, sizes = placing_sql.PLACE.execute, []

    def note(connection: Any, values: Any) -> Any:
        sizes.append(len(values["ids"]))
        return placed(connection, values)

    monkeypatch.setattr(placing_sql.PLACE, "execute", note)
    outcomes = scenes.place([one, other])
    assert sizes == [2, 1]
    assert {outcome.order_id: _recipients(outcome) for outcome in outcomes} == {
        one: ["driver:mira"],
        other: ["driver:carl"],
    }
    assert states() == {one: "placed", other: "placed"}


def test_one_that_was_read_long_ago_begins_when_it_is_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes.driver("ravi")
    read, placed, sizes = placing.QUEUED.execute, placing_sql.PLACE.execute, []
    old, new = scenes.admitted("asha"), scenes.admitted("bina")

    def read_long_ago(connection: Any, values: Any) -> Any:
        minute = timedelta(minutes=1)
        return [
            SimpleNamespace(**{**row._mapping, "at": row.at - minute}) if str(row.order_id) == old else row
            for row in read(connection, values)
        ]

    def note(connection: Any, values: Any) -> Any:
        sizes.append(len(values["ids"]))
        return placed(connection, values)

    monkeypatch.setattr(placing.QUEUED, "execute", read_long_ago)
    monkeypatch.setattr(placing_sql.PLACE, "execute", note)
    assert sorted(outcome.order_id for outcome in scenes.place([old, new])) == sorted([old, new])
    assert sizes == [2, 1]
    with db.statements() as connection:
        left = text("SELECT extract(epoch FROM expires_at - now()) FROM orders")
        assert all(58 < seconds <= 60 for seconds in connection.execute(left).scalars())
        assert connection.execute(text("SELECT count(*) FROM offers")).scalar_one() == 2


def test_an_order_begins_at_the_time_that_is_given() -> None:
    then = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    (outcome,) = scenes.place([scenes.admitted("asha")], then)
    order = orjson.loads(outcome.answer or "")["order"]
    assert (order["createdAt"], order["expiresAt"]) == (iso(then), iso(then + timedelta(seconds=60)))


def test_orders_placed_before_the_others_failed_are_announced_by_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = _one_whose_nearest_driver_is_not_there()
    placed, calls = placing_sql.PLACE.execute, iter([True, False])

    def fail_at_second(connection: Any, values: Any) -> Any:
        if not next(calls, True):
            raise OperationalError("EXECUTE", None, Exception("gone"))
        return placed(connection, values)

    monkeypatch.setattr(placing_sql.PLACE, "execute", fail_at_second)
    assert [outcome.order_id for outcome in scenes.place([one, other])] == [one]
    assert states() == {one: "placed", other: "placed"}
    with db.transaction() as connection:
        connection.execute(text("UPDATE outbox SET created_at = created_at - interval '3 seconds'"))
    assert sweeps.deliver() == 2
    assert [frame.type for frame in mailbox.open("driver:carl").pending] == ["new_broadcast"]


def _one_whose_nearest_driver_is_not_there() -> tuple[str, str]:
    scenes.driver("ravi", 1)
    scenes.driver("mira", 2)
    scenes.driver("carl", 1, vehicle=("TRUCK", "OPEN_17FT"))
    with db.transaction() as connection:
        connection.execute(text("UPDATE drivers SET available = false WHERE id = 'ravi'"))
    return scenes.admitted("asha"), scenes.admitted("bina", vehicle=("TRUCK", "OPEN_17FT"))


def _recipients(outcome: Outcome) -> list[str]:
    return [message.to for message in outcome.followup.messages] if outcome.followup else []


def test_all_their_locks_are_released() -> None:
    some = [scenes.admitted(name) for name in ("asha", "bina", "carl")]
    scenes.place(some)
    assert live.commands().keys("order:create:*") == []


def test_one_whose_lock_another_holds_is_left_out() -> None:
    held, free = scenes.admitted("asha"), scenes.admitted("bina")
    live.commands().set("order:create:asha", "somebody else")
    assert [outcome.order_id for outcome in scenes.place([held, free])] == [free]
    assert states() == {held: "queued", free: "placed"}


def test_who_has_a_searching_order_is_refused_and_the_others_are_placed() -> None:
    active = scenes.placed("asha").order_id
    second, other = scenes.admitted("asha"), scenes.admitted("bina")
    outcomes = {outcome.order_id: outcome for outcome in scenes.place([second, other])}
    assert outcomes[second].state == "refused"
    assert outcomes[second].error_data == {"activeOrderId": active}
    assert outcomes[other].state == "placed"


def test_what_cannot_be_read_fails_alone() -> None:
    bad, good = scenes.admitted("asha"), scenes.admitted("bina")
    changed(bad, "payload = '{}'")
    assert [outcome.order_id for outcome in scenes.place([bad, good])] == [good]
    assert states() == {bad: "queued", good: "placed"}


def test_whose_drivers_cannot_be_looked_for_fails_alone() -> None:
    scenes.driver("ravi", 1)
    bad, good = scenes.admitted("asha"), scenes.admitted("bina")
    changed(bad, "payload = jsonb_set(payload, '{pickup,coordinates,latitude}', '\"north\"')")
    (outcome,) = scenes.place([bad, good])
    assert outcome.order_id == good
    assert outcome.followup
    assert [message.to for message in outcome.followup.messages] == ["driver:ravi"]
    assert states() == {bad: "queued", good: "placed"}


def test_their_locks_are_released_before_anybody_is_notified(monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = scenes.admitted("asha")
    assert scenes.locked("asha", order_id)
    held = []

    def follow_all(_: Any, pipeline: live.Pipeline) -> None:
        held.append(live.commands().get("order:create:asha"))
        seen = pipeline.add([("EXISTS", "order:create:asha")])
        pipeline.execute()
        held.append(seen()[0])

    monkeypatch.setattr(orders, "follow_all", follow_all)
    orders.place([order_id])
    assert held == [order_id, 0]


def test_their_locks_are_released_whatever_the_telling_does(monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = scenes.admitted("asha")
    monkeypatch.setattr(orders, "follow_all", Mock(side_effect=RuntimeError))
    with pytest.raises(RuntimeError):
        orders.place([order_id])
    assert live.commands().keys("order:create:*") == []
    assert states() == {order_id: "placed"}


def test_their_locks_are_released_when_placing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = scenes.admitted("asha")
    monkeypatch.setattr(placing, "_place", Mock(side_effect=RuntimeError))
    with pytest.raises(RuntimeError):
        orders.place([order_id])
    assert live.commands().keys("order:create:*") == []
    assert states() == {order_id: "queued"}


def test_a_batch_takes_one_trip_to_redis_before_its_commit_and_one_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenes.driver("ravi", 1)
    some = [scenes.admitted(name, key="k") for name in ("asha", "bina", "carl")]
    # From now on scripts are known, and statements prepared.
    assert orders.place([scenes.admitted("dora")]) == {"placed": 1, "asked": 1}
    send, sent = live._send, []

    def note(calls: Any, *how: Any, **named: Any) -> Any:
        sent.append(len(calls))
        return send(calls, *how, **named)

    monkeypatch.setattr(live, "_send", note)
    # One has the lock from the door, the others' have run out.
    assert scenes.locked("asha", some[0])
    orders.place(some)
    # To renew a lock, to take it, to search; a lock, an answer, one wake-up for all and one wave for all.
    assert sent == [3 + 3 + 3, 3 + 3 + 1 + 1]
    assert len(mailbox.open("driver:ravi").pending) == 4


def test_what_postgres_refuses_fails_alone() -> None:
    bad, good, fine = scenes.admitted("asha"), scenes.admitted("bina"), scenes.admitted("carl")
    changed(bad, "payload = jsonb_set(payload, '{distanceKm}', '-1')")
    placed = scenes.place([good, bad, fine])
    assert sorted(outcome.order_id for outcome in placed) == sorted([good, fine])
    assert states() == {bad: "queued", good: "placed", fine: "placed"}


def test_requests_admitted_together_are_each_unique() -> None:
    first = scenes.request("asha", key="k")
    same_key = scenes.request("asha", key="k")
    other = scenes.request("bina", key="k")
    assert admitting.admit([first, same_key, other]) == {
        min(first, same_key, key=_id).order_id,
        other.order_id,
    }
    assert admitting.admit([first]) == set()


def _id(asked: AdmissionRequest) -> str:
    return asked.order_id


def test_one_who_is_held_up_does_not_take_the_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    held, other = scenes.request("asha"), scenes.request("bina")
    with db.engine().connect() as elsewhere:
        row = {"requests": orjson.dumps([scenes.request("asha")]).decode(), "now": None}
        admitting.INSERT.execute(elsewhere, row)
        with pytest.raises(OperationalError) as found:
            admitting.admit([held, other])
        assert db.refused(found.value)
        elsewhere.rollback()

    submission = group_commit.Submission(other, commit_error=found.value)
    monkeypatch.setattr(group_commit, "submit", lambda *_: submission)
    monkeypatch.setattr(orders, "enqueue", lambda order_ids: True)
    assert door._admit(other) is submission
    assert submission.admitted
    assert states() == {other.order_id: "queued"}


def test_a_connection_that_ends_has_refused_nothing() -> None:
    with db.engine().connect() as connection, db.statements() as other:
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        other.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})
        with pytest.raises(OperationalError) as found:
            connection.execute(text("SELECT 1"))
    assert not db.refused(found.value)


def test_a_wave_that_was_not_announced_is_announced_from_its_offers() -> None:
    scenes.driver("ravi", 1)
    scenes.driver("mira", 2)
    order_id = scenes.placed(trucks=2).order_id
    with db.transaction() as connection:
        connection.execute(text("UPDATE outbox SET created_at = created_at - interval '3 seconds'"))
        connection.execute(
            text("UPDATE offers SET state = 'declined', closed_at = now() WHERE driver_id = 'mira'")
        )
    assert sweeps.deliver() == 1
    told = mailbox.open("driver:ravi").pending
    assert [frame.type for frame in told] == ["new_broadcast"]
    assert f'"orderId":"{order_id}"' in told[0].text
    assert mailbox.open("driver:mira").pending == []
    assert sweeps.deliver() == 0


def test_a_wave_that_is_announced_twice_is_received_once() -> None:
    scenes.driver("ravi", 1)
    outcome = scenes.placed()
    assert outcome.followup is not None
    followups._do([outcome.followup], live.Pipeline())
    with db.transaction() as connection:
        connection.execute(text("UPDATE outbox SET created_at = created_at - interval '3 seconds'"))
    assert sweeps.deliver() == 1
    assert len(mailbox.open("driver:ravi").pending) == 1


def test_a_task_of_nothing_does_nothing() -> None:
    orders.place([])
    assert states() == {}


def test_what_nobody_placed_is_placed_together_and_what_fails_is_tried_alone_afterwards() -> None:
    good = [changed(scenes.admitted(f"customer-{n}"), OVERDUE) for n in range(30)]
    bad = changed(scenes.admitted("bina"), f"payload = '{{}}', {OVERDUE}")
    assert sweeps.recover() == 31
    assert {order_id: states()[order_id] for order_id in good} == dict.fromkeys(good, "placed")
    assert states()[bad] == "queued"
    assert live.commands().keys("order:create:*") == []
    with db.statements() as connection:
        transactions = "SELECT count(DISTINCT xmin::text) FROM orders"
        assert connection.execute(text(transactions)).scalar_one() == 2
        attempts = text("SELECT order_id, attempts FROM admissions WHERE state = 'queued'")
        assert [tuple(map(str, row)) for row in connection.execute(attempts)] == [(bad, "1")]
    assert recovering.first_tries([bad]) == []
    changed(bad, "created_at = now() - interval '10 seconds'")
    assert sweeps.recover() == 1
    with db.statements() as connection:
        assert connection.execute(text("SELECT attempts FROM admissions WHERE state = 'queued'")).all() == [
            (2,)
        ]
