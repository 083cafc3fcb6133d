"""What operators do to orders, trips and drivers is done once, audited with its reason, and sent to all."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import text

from models import db, live
from models.errors import DomainError
from models.live import mailbox
from tasks import offers, operating
from tasks import trips as trip_tasks
from tests import scenes
from tests.clients import Caller, code
from tests.faults.verdict import LEFT_OVER
from workers.offers import waves
from workers.operating import orders as acts
from workers.orders import cancelling, expiring
from workers.reading import current, listing, pseudonyms

pytestmark = pytest.mark.usefixtures("aside")

WHY = {"reason": "phone dead"}
AUDITED = {"operator": "olga", "reason": "phone dead"}
LOADED = ("en_route_pickup", "at_pickup", "in_transit")


def act(path: str, **more: Any) -> dict[str, Any]:
    answer = Caller("ops", "olga").post(f"/ops{path}", WHY | more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json["data"]  # type: ignore[index]
    return found


def refused(path: str, **more: Any) -> tuple[int, str]:
    return code(Caller("ops", "olga").post(f"/ops{path}", WHY | more))


def trip(driver: str = "ravi", steps: tuple[str, ...] = LOADED, trucks: int = 1) -> tuple[str, str]:
    """The ids of an order and of its truck that the driver has got so far with; nobody else is near."""
    scenes.driver(driver)
    order_id = scenes.placed("asha", trucks=trucks).order_id
    truck = str(offers.accept(driver, order_id)["truckRequestId"])
    for step in steps:
        trip_tasks.advance(driver, truck, step)
    return order_id, truck


def audit(order_id: str) -> list[tuple[str, dict[str, Any]]]:
    """The events with an operator."""
    events = [(event["type"], event["data"]) for event in listing.story(order_id)["events"]]
    return [(kind, data) for kind, data in events if "operator" in data]


def heard(address: str) -> list[tuple[str, dict[str, Any]]]:
    return [_read(frame.text) for frame in mailbox.since(address, 0).frames]


def _read(frame: str) -> tuple[str, dict[str, Any]]:
    told = orjson.loads(frame)
    return told["type"], told["data"]


def kinds(address: str) -> list[str]:
    return [kind for kind, _ in heard(address)]


def assert_whole() -> None:
    """The invariants of the fault tests, and that counts and states agree."""
    # Scenes place orders without what follows.
    expected = {"an order is still searching", "an outbox row is left"}
    with db.statements() as connection:
        found = {why: connection.execute(text(count)).scalar_one() for why, count in LEFT_OVER.items()}
        wrong = connection.exec_driver_sql("""
            SELECT o.id FROM orders o JOIN truck_requests t ON t.order_id = o.id GROUP BY o.id
            HAVING o.status <> 'cancelled' AND o.trucks_filled <> count(*) FILTER (
                WHERE t.driver_id IS NOT NULL AND t.status <> 'cancelled')
            OR bool_or(t.status IN ('assigned', 'in_transit'))
                AND o.status IN ('cancelled', 'completed', 'expired')
        """).all()
    assert {why for why, number in found.items() if number} <= expected
    assert wrong == []


def test_a_loaded_trip_with_a_dead_phone_is_completed() -> None:
    order_id, truck = trip()
    seen = act(f"/trips/{truck}/complete")
    assert (seen["order"]["status"], seen["truckRequests"][0]["status"], seen["done"]) == (
        "completed",
        "completed",
        True,
    )
    assert audit(order_id) == [
        (
            "trip_status_changed",
            {"driverId": "ravi", "truckRequestId": truck, "status": "completed"} | AUDITED,
        )
    ]
    assert heard("customer:asha")[-1] == (
        "assignment_status_changed",
        {"orderId": order_id, "truckRequestId": truck, "driverId": "ravi", "status": "completed"},
    )
    assert kinds("driver:ravi")[-1] == "trip_confirmation"
    assert_whole()
    # The driver can be asked again.
    offers.accept("ravi", scenes.placed("bina").order_id)


def test_a_loaded_trip_is_closed_and_its_order_with_it() -> None:
    order_id, truck = trip()
    seen = act(f"/trips/{truck}/close")
    assert (seen["order"]["status"], seen["truckRequests"][0]["status"]) == ("cancelled", "cancelled")
    assert [kind for kind, _ in audit(order_id)] == ["trip_closed", "order_cancelled"]
    assert all(AUDITED.items() <= data.items() for _, data in audit(order_id))
    assert kinds("customer:asha")[-2:] == ["assignment_status_changed", "order_cancelled"]
    assert heard("driver:ravi")[-1] == ("order_cancelled", {"orderId": order_id, "reason": "phone dead"})
    assert_whole()


def test_closing_one_trip_of_two_leaves_the_other() -> None:
    scenes.driver("mira", 2)
    order_id, truck = trip(trucks=2)
    other = str(offers.accept("mira", order_id)["truckRequestId"])
    seen = act(f"/trips/{truck}/close")
    assert (seen["order"]["status"], seen["order"]["trucksFilled"]) == ("partially_filled", 1)
    for step in (*LOADED, "arrived_at_drop", "completed"):
        trip_tasks.advance("mira", other, step)
    assert current.order(order_id)["order"]["status"] == "completed"
    assert_whole()


def test_a_loaded_truck_is_taken_off_its_driver_and_searched_for_without_them() -> None:
    order_id, truck = trip()
    scenes.driver("mira", 2)
    seen = act(f"/trips/{truck}/take-off")
    assert (seen["order"]["status"], seen["search"]["searching"], seen["search"]["round"]) == (
        "active",
        True,
        2,
    )
    assert audit(order_id) == [("truck_taken_off", {"driverId": "ravi", "truckRequestId": truck} | AUDITED)]
    assert heard("customer:asha")[-1][1]["status"] == "searching"
    assert kinds("driver:ravi")[-1] == "order_cancelled"
    waves.next_wave(order_id)
    asked = [o["driverId"] for o in listing.story(order_id)["offers"] if o["state"] == "open"]
    assert asked == ["mira"]
    offers.accept("mira", order_id)
    assert_whole()


@pytest.mark.parametrize(("steps", "status"), [(LOADED, "in_transit"), (LOADED[:1], "assigned")])
def test_a_trip_is_handed_over_and_a_load_stays_loaded(steps: tuple[str, ...], status: str) -> None:
    order_id, truck = trip(steps=steps)
    scenes.driver("mira", 400, available=False)
    seen = act(f"/trips/{truck}/hand-over", driverId="mira")
    assert seen["truckRequests"][0]["driver"]["id"] == "mira"
    assert (seen["truckRequests"][0]["status"], seen["done"]) == (status, True)
    handed = {"driverId": "mira", "fromDriverId": "ravi", "truckRequestId": truck, "status": status}
    assert audit(order_id) == [("truck_handed_over", handed | AUDITED)]
    assert kinds("customer:asha")[-2:] == ["truck_confirmed", "assignment_status_changed"]
    assert heard("customer:asha")[-2][1]["driver"]["id"] == "mira"
    assert kinds("driver:ravi")[-1] == "order_cancelled"
    assert heard("driver:mira")[-1][1]["status"] == status
    assert not act(f"/trips/{truck}/hand-over", driverId="mira")["done"]
    # The first one's phone works again: nothing is theirs. Of each further hand-over both are notified.
    with pytest.raises(DomainError):
        trip_tasks.advance("ravi", truck, "arrived_at_drop")
    assert act(f"/trips/{truck}/hand-over", driverId="ravi")["done"]
    assert (kinds("driver:ravi")[-1], kinds("driver:mira")[-1]) == ("trip_assigned", "order_cancelled")
    assert act(f"/trips/{truck}/hand-over", driverId="mira")["done"]
    assert (kinds("driver:ravi")[-1], kinds("driver:mira")[-1]) == ("order_cancelled", "trip_assigned")
    assert_whole()


def test_a_trip_is_not_handed_to_a_driver_who_cannot_have_it() -> None:
    order_id, truck = trip()
    scenes.driver("van", vehicle=("VAN", "SMALL"))
    scenes.driver("busy")
    offers.accept("busy", scenes.placed("bina").order_id)
    for driver, answer in (
        ("nobody", (404, "DRIVER_NOT_REGISTERED")),
        ("van", (409, "INVALID_TRANSITION")),
        ("busy", (409, "DRIVER_BUSY")),
    ):
        assert refused(f"/trips/{truck}/hand-over", driverId=driver) == answer
    assert audit(order_id) == []
    assert_whole()


@pytest.mark.parametrize("deed", ["complete", "close", "take-off"])
def test_an_act_on_a_trip_is_done_once_and_only_to_the_driver_who_was_meant(deed: str) -> None:
    order_id, truck = trip()
    assert refused(f"/trips/{truck}/{deed}", driverId="mira") == (409, "INVALID_TRANSITION")
    assert act(f"/trips/{truck}/{deed}", driverId="ravi")["done"]
    before = listing.story(order_id)["events"], heard("driver:ravi"), heard("customer:asha")
    assert not act(f"/trips/{truck}/{deed}", driverId="ravi")["done"]
    assert (listing.story(order_id)["events"], heard("driver:ravi"), heard("customer:asha")) == before
    other = "close" if deed == "complete" else "complete"
    assert refused(f"/trips/{truck}/{other}") == (409, "INVALID_TRANSITION")
    assert refused(f"/trips/{uuid4()}/{deed}") == (404, "TRIP_NOT_FOUND")


def test_an_order_is_cancelled_at_any_stage_and_what_was_delivered_stays() -> None:
    scenes.driver("mira", 2)
    order_id, truck = trip(trucks=3)
    offers.accept("mira", order_id)
    scenes.driver("third", 3)
    waves.next_wave(order_id, datetime.now(UTC) + timedelta(seconds=11))
    trip_tasks.advance("ravi", truck, "arrived_at_drop")
    trip_tasks.advance("ravi", truck, "completed")
    seen = act(f"/orders/{order_id}/cancel")
    assert (seen["order"]["status"], seen["search"]["searching"], seen["done"]) == ("cancelled", False, True)
    assert sorted(truck["status"] for truck in seen["truckRequests"]) == [
        "cancelled",
        "cancelled",
        "completed",
    ]
    ((kind, data),) = audit(order_id)
    assert kind == "order_cancelled"
    assert data == AUDITED | {"drivers": ["third"], "assignedDrivers": ["mira"]}
    assert kinds("customer:asha")[-2:] == ["assignment_status_changed", "order_cancelled"]
    for driver in ("mira", "third"):
        assert heard(f"driver:{driver}")[-1] == (
            "order_cancelled",
            {"orderId": order_id, "reason": "phone dead"},
        )
    assert not act(f"/orders/{order_id}/cancel")["done"]
    assert_whole()
    # The customer can order again.
    assert scenes.placed("asha").state == "placed"


def test_an_order_is_cancelled_before_it_is_placed_and_not_after_its_end() -> None:
    waiting = scenes.admitted("asha")
    assert act(f"/orders/{waiting}/cancel")["order"]["status"] == "cancelled"
    assert audit(waiting)[0][0] == "order_cancelled"
    assert kinds("customer:asha") == ["order_cancelled"]
    assert not act(f"/orders/{waiting}/cancel")["done"]
    over = scenes.placed("bina").order_id
    expiring.end_now(over, "olga")
    assert refused(f"/orders/{over}/cancel") == (409, "ORDER_NOT_CANCELLABLE")
    assert refused(f"/orders/{uuid4()}/cancel") == (404, "ORDER_NOT_FOUND")


def test_a_search_gets_sixty_seconds_more_once() -> None:
    scenes.driver("ravi")
    order_id = scenes.placed("asha").order_id
    before = datetime.fromisoformat(current.order(order_id)["order"]["expiresAt"])
    seen = act(f"/orders/{order_id}/extend")
    until = seen["order"]["expiresAt"]
    assert (datetime.fromisoformat(until) - before, seen["done"]) == (timedelta(seconds=60), True)
    assert not act(f"/orders/{order_id}/extend")["done"]
    assert current.order(order_id)["order"]["expiresAt"] == until
    assert audit(order_id) == [("search_extended", AUDITED | {"expiresAt": until})]
    for address in ("customer:asha", "driver:ravi"):
        assert heard(address)[-1] == ("search_extended", {"orderId": order_id, "expiresAt": until})
    later = datetime.now(UTC) + timedelta(seconds=100)
    assert expiring.expire(order_id, later) is None
    assert acts.extend(order_id, "olga", "rain", later)
    offers.accept("ravi", order_id)
    assert refused(f"/orders/{order_id}/extend") == (409, "INVALID_TRANSITION")
    ended = scenes.placed("bina").order_id
    expiring.end_now(ended, "olga")
    assert refused(f"/orders/{ended}/extend") == (409, "ORDER_EXPIRED")
    called_off = scenes.placed("bina").order_id
    cancelling.cancel("bina", called_off, "rain")
    assert refused(f"/orders/{called_off}/extend") == (409, "ORDER_CANCELLED")


def test_a_driver_is_put_off_duty_and_loses_the_open_offers() -> None:
    scenes.driver("ravi")
    order_id = scenes.placed("asha").order_id
    seen = act("/drivers/ravi/off-duty")
    assert (seen["state"], seen["done"]) == ("offDuty", True)
    assert [(event["type"], event["data"]) for event in seen["events"]] == [("put_off_duty", AUDITED)]
    assert [offer["outcome"] for offer in seen["offersToday"]] == ["withdrawn"]
    assert ("availability_changed", {"available": False, "reason": "phone dead"}) in heard("driver:ravi")
    assert "request_no_longer_available" in kinds("driver:ravi")
    assert live.commands().zcard("drivers:heard") == 0
    again = act("/drivers/ravi/off-duty")
    assert (again["done"], len(again["events"])) == (False, 1)
    assert refused("/drivers/nobody/off-duty") == (404, "DRIVER_NOT_REGISTERED")
    assert_whole()
    assert listing.story(order_id)["events"][-1]["type"] == "offer_withdrawn"


def test_customers_see_the_reason_and_not_who_gave_it() -> None:
    order_id, truck = trip()
    operating.put_off_duty("ravi", "olga", "unfit")
    act(f"/trips/{truck}/take-off")
    act(f"/orders/{order_id}/cancel")
    shown = pseudonyms.story(order_id, listing.story(order_id))
    assert "olga" not in str(shown)
    assert "unfit" not in str(shown)
    assert [e["data"]["reason"] for e in shown["events"] if "reason" in e["data"]] == ["phone dead"] * 2


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "reason"), ({"reason": ""}, "reason"), ({"reason": "x" * 201}, "reason"), (WHY | {"a": 1}, "a")],
)
def test_no_act_without_a_reason_of_one_to_two_hundred_characters(body: dict[str, Any], field: str) -> None:
    paths = [f"/orders/{uuid4()}/cancel", f"/orders/{uuid4()}/extend", "/drivers/ravi/off-duty"]
    paths += [f"/trips/{uuid4()}/{deed}" for deed in ("complete", "close", "take-off")]
    for path in paths:
        answer = Caller("ops", "olga").post(f"/ops{path}", body)
        assert code(answer) == (400, "VALIDATION_ERROR")
        assert [row["field"] for row in answer.json["error"]["details"]] == [field]  # type: ignore[index]
    without = Caller("ops", "olga").post(f"/ops/trips/{uuid4()}/hand-over", WHY)
    assert code(without) == (400, "VALIDATION_ERROR")
