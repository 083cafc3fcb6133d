"""An admission becomes exactly one order, whichever process tries and however often."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from models import db, live
from models.errors import OrderNotFound
from models.live import order_lock
from models.messages import iso
from tasks import orders
from tests import scenes
from workers.offers import accepting
from workers.orders import admitting, placing
from workers.reading import current

pytestmark = pytest.mark.usefixtures("clean")


def rows(sql: str, **values: object) -> list[tuple[Any, ...]]:
    with db.transaction() as connection:
        return [tuple(row) for row in connection.execute(text(sql), values)]


def test_a_placed_order_has_its_trucks_and_asks_the_nearest_drivers_of_its_vehicle() -> None:
    scenes.driver("near", 1)
    scenes.driver("nearer", 0.5)
    scenes.driver("other", 0.1, vehicle=("TRUCK", "OPEN_17FT"))
    outcome = scenes.placed(trucks=2)
    answer = json.loads(outcome.answer or "")
    assert answer["order"]["status"] == "active"
    assert answer["order"]["totalAmount"] == 1000
    assert [truck["requestNumber"] for truck in answer["truckRequests"]] == [1, 2]
    assert answer["broadcastSummary"]["totalDriversNotified"] == 2
    assert answer["timeoutSeconds"] == 60
    assert outcome.followup is not None
    assert [message.to for message in outcome.followup.messages] == ["driver:nearer", "driver:near"]
    assert [message.data["pickupDistanceKm"] for message in outcome.followup.messages] == [0.5, 1.0]


def test_placing_again_changes_nothing() -> None:
    outcome = scenes.placed()
    assert scenes.place([outcome.order_id]) == []
    assert rows("SELECT count(*) FROM orders") == [(1,)]


def test_ten_workers_at_once_place_one_order() -> None:
    order_id = scenes.admitted("asha")
    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(lambda _: scenes.place([order_id]), range(10)))
    assert sum(map(len, outcomes)) == 1
    assert rows("SELECT count(*) FROM orders") == [(1,)]
    assert rows("SELECT count(*) FROM truck_requests") == [(1,)]


def test_a_second_searching_order_is_refused_and_its_key_is_free_again() -> None:
    first = scenes.placed("asha")
    (second,) = scenes.place([scenes.admitted("asha", key="again")])
    assert (second.state, second.rejection) == ("refused", "ACTIVE_ORDER_EXISTS")
    assert second.error_data == {"activeOrderId": first.order_id}
    assert admitting.by_key("asha", "again") is None


def test_an_order_answered_202_and_refused_later_is_seen_as_rejected() -> None:
    scenes.placed("asha")
    order_id = scenes.admitted("asha", key="later")
    assert admitting.answer_202(order_id)
    (outcome,) = scenes.place([order_id])
    assert outcome.state == "rejected"
    view = current.order(order_id)["order"]
    assert view["status"] == "rejected"
    assert view["rejection"] == "ACTIVE_ORDER_EXISTS"
    assert admitting.by_key("asha", "later") is not None


def test_the_lock_is_released_after_placing() -> None:
    outcome = scenes.placed("asha")
    assert live.commands().get("order:create:asha") is None
    assert scenes.locked("asha", outcome.order_id)


def test_the_lock_of_another_request_is_not_taken() -> None:
    order_id = scenes.admitted("asha")
    assert scenes.locked("asha", "somebody-else")
    assert scenes.place([order_id]) == []
    assert live.commands().get("order:create:asha") == "somebody-else"
    order_lock.release("asha", "somebody-else")
    assert scenes.place([order_id])


def test_a_lock_left_behind_does_not_hold_an_overdue_order_up() -> None:
    order_id = scenes.admitted("asha")
    assert scenes.locked("asha", "a request long over")
    assert placing.place_overdue(order_id) is not None
    assert live.commands().get("order:create:asha") == "a request long over"


def test_a_driver_whom_only_redis_believes_free_is_not_asked() -> None:
    scenes.driver("ghost")
    with db.transaction() as connection:
        connection.execute(text("UPDATE drivers SET available = false WHERE id = 'ghost'"))
    outcome = scenes.placed()
    assert outcome.followup is not None
    assert outcome.followup.messages == []


def test_drivers_that_only_redis_believes_free_are_left_out_of_the_answer_and_the_story() -> None:
    for number, name in enumerate(("ghost", "ravi", "busy", "mira")):
        scenes.driver(name, 1 + number)
    taken = scenes.placed("bina")
    assert accepting.accept("busy", taken.order_id, None)
    with db.transaction() as connection:
        connection.execute(text("UPDATE drivers SET available = false WHERE id = 'ghost'"))
    outcome = scenes.placed("asha")
    assert outcome.followup is not None
    assert [message.to for message in outcome.followup.messages] == ["driver:ravi", "driver:mira"]
    summary = json.loads(outcome.answer or "")["broadcastSummary"]
    assert (summary["totalDriversNotified"], summary["groupedBy"][0]["driversNotified"]) == (2, 2)
    told = rows("SELECT type, data FROM order_events WHERE order_id = :id ORDER BY id", id=outcome.order_id)
    assert [kind for kind, _ in told] == ["order_placed", "wave_sent"]
    assert [driver["driverId"] for driver in told[1][1]["drivers"]] == ["ravi", "mira"]
    asked = "SELECT driver_id FROM offers WHERE order_id = :id ORDER BY pickup_distance_km"
    assert rows(asked, id=outcome.order_id) == [("ravi",), ("mira",)]


def test_an_order_begins_when_its_admission_was_read_and_says_so_everywhere() -> None:
    scenes.driver("ravi")
    outcome = scenes.placed()
    order = json.loads(outcome.answer or "")["order"]
    ((row,),) = rows("SELECT to_jsonb(o) FROM orders o")
    columns = {"createdAt": "created_at", "updatedAt": "updated_at", "expiresAt": "expires_at"}
    for name, column in columns.items():
        assert order[name] == iso(datetime.fromisoformat(row[column]))
    assert outcome.followup is not None
    assert outcome.followup.messages[0].data["expiresAt"] == order["expiresAt"]
    assert rows("""
        SELECT expires_at - created_at = interval '60 seconds',
            next_wave_at - created_at = interval '10 seconds',
            created_at BETWEEN now() - interval '5 seconds' AND now()
        FROM orders
    """) == [(True, True, True)]
    assert rows("""
        SELECT o.created_at = f.offered_at AND o.created_at = t.updated_at AND o.created_at = e.at
            AND o.created_at = a.decided_at AND o.created_at >= a.created_at
        FROM orders o JOIN offers f ON f.order_id = o.id JOIN truck_requests t ON t.order_id = o.id
        JOIN order_events e ON e.order_id = o.id JOIN admissions a ON a.order_id = o.id
    """) == [(True,), (True,)]


def test_at_most_ten_drivers_are_asked_for_a_truck() -> None:
    for number in range(12):
        scenes.driver(f"d{number}", 0.1 * (number + 1))
    outcome = scenes.placed()
    assert outcome.followup is not None
    assert [message.to for message in outcome.followup.messages] == [f"driver:d{n}" for n in range(10)]


def test_a_commit_in_doubt_is_settled_for_good() -> None:
    happened = scenes.request("asha")
    assert admitting.admit([happened]) == {happened.order_id}
    assert admitting.ensure_decided(happened)
    lost = scenes.request("ravi")
    assert not admitting.ensure_decided(lost)
    assert not admitting.admit([lost])
    assert scenes.place([lost.order_id]) == []
    with pytest.raises(OrderNotFound):
        current.order(lost.order_id)


def test_an_order_placed_by_the_sweep_releases_the_lock_of_its_admission() -> None:
    order_id = scenes.admitted("asha")
    assert scenes.locked("asha", order_id)
    assert placing.place_overdue(order_id)
    assert live.commands().get("order:create:asha") is None


def test_cancelling_what_nobody_has_placed_gives_up_its_lock_and_no_other() -> None:
    order_id = scenes.admitted("asha")
    assert scenes.locked("asha", order_id)
    orders.cancel("asha", order_id, "changed my mind")
    assert live.commands().get("order:create:asha") is None
    assert scenes.locked("asha", "the next order")
    orders.cancel("asha", order_id, "again")
    assert live.commands().get("order:create:asha") == "the next order"
