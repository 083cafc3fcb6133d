"""How a search ends: by its time, by its customer, and what the safety nets find."""

import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import InternalError

from models import db, outbox
from models.errors import OrderNotCancellable, OrderNotFound
from models.live import mailbox
from tasks import followups
from tests import scenes
from workers import cleaning
from workers.drivers import trips
from workers.offers import accepting, offering, waves
from workers.orders import admitting, cancelling, expiring, recovering
from workers.reading import current, listing

pytestmark = pytest.mark.usefixtures("clean")


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def told(followup: outbox.Followup | None) -> list[tuple[str, str]]:
    assert followup is not None
    return [(message.to, message.type) for message in followup.messages]


def test_an_order_expires_after_sixty_seconds_and_not_before() -> None:
    order_id = scenes.placed().order_id
    assert expiring.due(later(58)) == []
    assert expiring.expire(order_id, later(58)) is None
    assert expiring.due(later(61)) == [order_id]
    assert told(expiring.expire(order_id, later(61))) == [("customer:asha", "order_expired")]
    assert current.order(order_id)["order"]["status"] == "expired"
    assert current.order(order_id)["truckRequests"][0]["status"] == "expired"
    assert expiring.expire(order_id, later(62)) is None


def test_everybody_with_an_open_offer_is_notified_of_the_end() -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    order_id = scenes.placed().order_id
    accepting.decline("two", order_id)
    assert told(expiring.expire(order_id, later(61))) == [
        ("customer:asha", "order_expired"),
        ("driver:one", "order_expired"),
    ]


def test_a_partly_filled_order_goes_on_with_the_trucks_it_has() -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    order_id = scenes.placed(trucks=2).order_id
    truck = accepting.accept("one", order_id).trip["truckRequestId"]
    assert told(expiring.expire(order_id, later(61))) == [
        ("customer:asha", "broadcast_expired"),
        ("driver:two", "request_no_longer_available"),
    ]
    view = current.order(order_id)
    assert view["order"]["status"] == "partially_filled"
    assert sorted(truck["status"] for truck in view["truckRequests"]) == ["assigned", "expired"]
    for step in ("en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed"):
        trips.advance("one", truck, step)
    assert current.order(order_id)["order"]["status"] == "completed"


def test_a_filled_order_is_not_expired() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    accepting.accept("one", order_id)
    assert expiring.due(later(3600)) == []
    assert expiring.expire(order_id, later(3600)) is None
    assert current.order(order_id)["order"]["status"] == "fully_filled"


def test_right_after_a_cancel_a_new_order_works() -> None:
    first = scenes.placed("asha").order_id
    cancelling.cancel("asha", first, "changed my mind")
    assert scenes.placed("asha").state == "placed"


def test_cancelling_tells_the_drivers_and_is_idempotent() -> None:
    scenes.driver("one")
    scenes.driver("two", 2)
    order_id = scenes.placed(trucks=2).order_id
    accepting.accept("one", order_id)
    cancelled = cancelling.cancel("asha", order_id, "changed my mind")
    assert told(cancelled) == [("driver:one", "order_cancelled"), ("driver:two", "order_cancelled")]
    assert cancelled is not None
    assert cancelled.changed_drivers == ["one"]
    assert cancelling.cancel("asha", order_id, "again") is None
    assert current.order(order_id)["order"]["status"] == "cancelled"


def test_an_order_can_be_cancelled_before_it_is_placed() -> None:
    order_id = scenes.admitted("asha", key="k")
    cancelling.cancel("asha", order_id, "changed my mind")
    answered = admitting.by_key("asha", "k")
    assert answered is not None
    assert (answered.answer_status, answered.answer) == (202, admitting.queued_answer(order_id))
    assert current.order(order_id)["order"]["status"] == "cancelled"
    assert recovering.overdue(later(10)) == []


def test_another_customers_order_cannot_be_cancelled() -> None:
    order_id = scenes.placed("asha").order_id
    with pytest.raises(OrderNotFound):
        cancelling.cancel("ravi", order_id, "mischief")


def test_what_is_over_or_loaded_cannot_be_cancelled() -> None:
    over = scenes.placed("asha").order_id
    expiring.end_now(over, "olga")
    with pytest.raises(OrderNotCancellable):
        cancelling.cancel("asha", over, "too late")
    scenes.driver("one")
    loaded = scenes.placed("ravi").order_id
    truck = accepting.accept("one", loaded).trip["truckRequestId"]
    for step in ("en_route_pickup", "at_pickup", "in_transit"):
        trips.advance("one", truck, step)
    with pytest.raises(OrderNotCancellable):
        cancelling.cancel("ravi", loaded, "too late")


def test_waves_look_further_and_ask_nobody_twice() -> None:
    scenes.driver("near", 3)
    scenes.driver("far", 8)
    order_id = scenes.placed().order_id
    assert waves.due(later(8)) == []
    assert waves.due(later(11)) == [order_id]
    assert told(waves.next_wave(order_id, later(11))) == [("driver:far", "new_broadcast")]
    assert waves.next_wave(order_id, later(11)) is None
    scenes.driver("new", 1)
    assert told(waves.next_wave(order_id, later(21))) == [("driver:new", "new_broadcast")]


def test_a_customer_without_any_driver_in_reach_is_notified_once() -> None:
    order_id = scenes.placed().order_id
    followups = [waves.next_wave(order_id, later(seconds)) for seconds in (11, 21, 31, 41, 51)]
    heard = [told(followup) for followup in followups if followup]
    assert heard == [[("customer:asha", "order_no_supply")]]


def test_admissions_that_nobody_placed_are_found_in_the_order_of_arrival() -> None:
    ids = [scenes.admitted(customer) for customer in ("asha", "ravi")]
    assert recovering.overdue() == []
    assert [order_id for order_id, _ in recovering.overdue(later(3))] == ids


def test_an_admission_that_fails_five_times_is_dead_and_its_customer_sees_it() -> None:
    order_id = scenes.admitted("asha")
    assert [recovering.may_try(order_id) for _ in range(6)] == [True] * 5 + [False]
    view = current.order(order_id)["order"]
    assert (view["status"], view["rejection"]) == ("rejected", "INTERNAL_ERROR")


def test_a_try_that_failed_through_no_fault_of_the_row_is_taken_back() -> None:
    order_id = scenes.admitted("asha")
    for _ in range(9):
        assert recovering.may_try(order_id)
        recovering.forgive(order_id)
    assert [found for found, _ in recovering.overdue(later(3))] == [order_id]


def test_each_failure_doubles_the_pause_before_the_next_try() -> None:
    order_id = scenes.admitted("asha")
    assert recovering.may_try(order_id)
    assert recovering.overdue(later(3)) == []
    assert [found for found, _ in recovering.overdue(later(5))] == [order_id]


def test_admissions_are_forgotten_after_their_time() -> None:
    scenes.placed("asha")
    waiting = scenes.admitted("ravi")
    assert cleaning.forget_admissions(later(71 * 3600)) == 0
    assert cleaning.forget_admissions(later(73 * 3600)) == 1
    assert current.order(waiting)["order"]["status"] == "queued"


def test_the_audit_tells_the_whole_story_and_cannot_be_changed() -> None:
    scenes.driver("one")
    order_id = scenes.placed().order_id
    accepting.accept("one", order_id)
    story = listing.story(order_id)
    assert [event["type"] for event in story["events"]] == ["order_placed", "wave_sent", "truck_assigned"]
    assert [(offer["driverId"], offer["state"]) for offer in story["offers"]] == [("one", "accepted")]
    with pytest.raises(InternalError, match="append-only"), db.transaction() as connection:
        connection.execute(text("DELETE FROM order_events"))


def test_a_followup_survives_in_the_outbox_until_it_is_done() -> None:
    scenes.driver("one")
    outcome = scenes.placed()
    with db.transaction() as connection:
        assert outbox.overdue(connection, 2, 10) == []
        left = outbox.overdue(connection, 2, 10, later(3))
    assert outcome.followup is not None
    assert [(followup.id, followup.order_id) for followup in left] == [
        (outcome.followup.id, outcome.order_id)
    ]
    assert left[0].wave == (1, 1)
    [repeated] = offering.broadcasts([(outcome.order_id, left[0].wave)])
    assert orjson.dumps(repeated) == orjson.dumps(outcome.followup.messages)
    with db.transaction() as connection:
        outbox.done(connection, [left[0].id])
    with db.transaction() as connection:
        assert outbox.overdue(connection, 2, 10, later(3)) == []


def test_an_accept_is_sent_before_the_later_cancel_whichever_process_sends() -> None:
    scenes.driver("one")
    order_id = scenes.placed("asha").order_id
    accepted = accepting.accept("one", order_id).followup
    cancelled = cancelling.cancel("asha", order_id, "changed my mind")
    followups.follow(cancelled)
    followups.follow(accepted)
    told = [frame.type for frame in mailbox.open("driver:one").pending]
    # (The offer itself was never told, and nobody can take it any more.)
    assert told == ["trip_assigned", "order_cancelled"]
    customer = [frame.type for frame in mailbox.open("customer:asha").pending]
    assert customer[0] == "truck_confirmed"
    assert len(customer) == len(set(customer))
    with db.statements() as connection:
        left = connection.execute(text("SELECT body FROM outbox")).scalars().all()
    assert [orjson.loads(body)["wave"] for body in left] == [[1, 1]]


def test_lists_are_newest_first_and_paged() -> None:
    ids = []
    for _ in range(3):
        order_id = scenes.placed("asha").order_id
        cancelling.cancel("asha", order_id, "next")
        ids.append(order_id)
    scenes.placed("ravi")
    ids.append(scenes.admitted("asha"))
    first = listing.orders("asha", 3, None, None)
    assert [order["id"] for order in first["orders"]] == [ids[3], ids[2], ids[1]]
    rest = listing.orders("asha", 3, first["nextCursor"], None)
    assert [order["id"] for order in rest["orders"]] == [ids[0]]
    assert rest["nextCursor"] is None
    assert [order["id"] for order in listing.orders("asha", 9, None, "queued")["orders"]] == [ids[3]]


def test_an_order_that_another_process_places_is_not_waited_for() -> None:
    held, free = scenes.admitted("asha"), scenes.admitted("bina")
    with db.transaction() as elsewhere:
        elsewhere.execute(text("SELECT FROM admissions WHERE order_id = :id FOR UPDATE"), {"id": held})
        begun = time.monotonic()
        assert not recovering.may_try(held)
        assert recovering.may_try(free)
        assert time.monotonic() - begun < 5
    assert recovering.may_try(held)
