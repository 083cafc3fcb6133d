"""A trip from the accept to the delivery, or back into the search; and where its truck was meanwhile."""

import math
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text

from models import db
from models.errors import InvalidTransition, TripNotFound
from models.live import commands, driver_index, mailbox
from models.live.driver_index import Position
from models.tables.orders import NEXT_TRIP_STATUS, RUNNING, TRUCK_REQUEST_STATES
from tasks import drivers, followups, offers, sweeps
from tasks import trips as trip_tasks
from tests import scenes
from web.positions.history import PositionHistory
from workers.drivers import locating, tracking, trips
from workers.drivers.tracking import Way
from workers.offers import waves
from workers.orders import cancelling
from workers.reading import current, listing

pytestmark = pytest.mark.usefixtures("clean")

NEAR, FAR = scenes.NOIDA, (scenes.NOIDA[0] + 0.3, scenes.NOIDA[1])


def won(driver: str = "d", customer: str = "asha") -> tuple[str, str]:
    """The ids of an order of one truck and of that truck, which the driver has won."""
    order_id = scenes.placed(customer).order_id
    return order_id, str(offers.accept(driver, order_id)["truckRequestId"])


def driven(driver: str, truck_id: str, status: str) -> None:
    for step in RUNNING[1 : RUNNING.index(status) + 1] if status in RUNNING else (*RUNNING[1:], "completed"):
        trip_tasks.advance(driver, truck_id, step)


def assigned_ago(truck_id: str, minutes: float) -> int:
    """The truck was assigned so long ago; when that was, in ms since 1970, rounded up."""
    with db.transaction() as connection:
        row = connection.execute(
            text("""
                UPDATE truck_requests SET assigned_at = now() - :ago WHERE id = :id
                RETURNING assigned_at, driver_id
            """),
            {"id": truck_id, "ago": timedelta(minutes=minutes)},
        ).one()
    locating.refresh([row.driver_id], scenes.now_ms())
    return math.ceil(1000 * float(row.assigned_at.timestamp()))


def story(order_id: str) -> list[str]:
    return [event["type"] for event in listing.story(order_id)["events"]]


@pytest.mark.parametrize(("present", "wanted"), list(product(TRUCK_REQUEST_STATES, TRUCK_REQUEST_STATES)))
def test_of_all_pairs_of_states_only_the_next_step_is_a_transition(present: str, wanted: str) -> None:
    scenes.driver("d")
    order_id, truck_id = won()
    if present == "cancelled":
        cancelling.cancel("asha", order_id, "changed my mind")
    elif present in ("searching", "expired"):
        with db.transaction() as connection:
            connection.execute(
                text("UPDATE truck_requests SET status = :status, driver_id = NULL, assigned_at = NULL"),
                {"status": present},
            )
    else:
        driven("d", truck_id, present)
    if NEXT_TRIP_STATUS.get(present) == wanted:
        assert trip_tasks.advance("d", truck_id, wanted)["status"] == wanted
        return
    with pytest.raises(TripNotFound if present in ("searching", "expired") else InvalidTransition):
        trips.advance("d", truck_id, wanted)
    assert current.order(order_id)["truckRequests"][0]["status"] == present


@pytest.mark.parametrize("present", [*RUNNING, "completed"])
def test_a_truck_can_be_given_back_until_it_is_loaded(present: str) -> None:
    scenes.driver("d")
    _, truck_id = won()
    driven("d", truck_id, present)
    if present in ("assigned", "en_route_pickup", "at_pickup"):
        assert trip_tasks.give_back("d", truck_id, "a flat tyre")["status"] == "searching"
    else:
        with pytest.raises(InvalidTransition):
            trips.give_back("d", truck_id, "a flat tyre")


def test_another_driver_finds_no_such_trip() -> None:
    scenes.driver("d")
    _, truck_id = won()
    scenes.driver("other")
    with pytest.raises(TripNotFound):
        trips.advance("other", truck_id, "en_route_pickup")
    with pytest.raises(TripNotFound):
        trips.give_back("other", truck_id, "not mine")


def test_the_order_follows_its_trucks() -> None:
    for driver in ("one", "two"):
        scenes.driver(driver)
    order_id = scenes.placed(trucks=2).order_id

    def status() -> Any:
        return current.order(order_id)["order"]["status"]

    trucks = {}
    for driver, after in (("one", "partially_filled"), ("two", "fully_filled")):
        trucks[driver] = str(offers.accept(driver, order_id)["truckRequestId"])
        assert status() == after
    driven("one", trucks["one"], "en_route_pickup")
    assert status() == "in_progress"
    for step in (*RUNNING[2:], "completed"):
        trip_tasks.advance("one", trucks["one"], step)
    assert status() == "in_progress"
    driven("two", trucks["two"], "completed")
    assert status() == "completed"


def test_a_truck_given_back_goes_to_the_next_nearest_and_the_audit_tells_it_in_order() -> None:
    for number, driver in enumerate(("nearest", "second", "third"), start=1):
        scenes.driver(driver, number)
    order_id, truck_id = won("nearest")
    trip_tasks.give_back("nearest", truck_id, "a flat tyre")
    again = current.order(order_id)["order"]
    assert again["status"] == "active"
    ends = datetime.fromisoformat(again["expiresAt"])
    assert timedelta(seconds=58) < ends - datetime.now(UTC) <= timedelta(seconds=60)
    for due in waves.due():
        followups.follow(waves.next_wave(due))
    assert offers.accept("second", order_id)["truckRequestId"] == truck_id
    heard = [frame.type for frame in mailbox.since("customer:asha", 0).frames]
    assert heard == [
        "truck_confirmed",
        "assignment_status_changed",
        "truck_confirmed",
    ]
    assert story(order_id) == [
        "order_placed",
        "wave_sent",
        "truck_assigned",
        "truck_given_back",
        "wave_sent",
        "truck_assigned",
    ]
    asked = [
        event["data"]["drivers"]
        for event in listing.story(order_id)["events"]
        if event["type"] == "wave_sent"
    ]
    assert [[driver["driverId"] for driver in wave] for wave in asked] == [
        ["nearest", "second", "third"],
        ["second", "third"],
    ]


# --- off duty --------------------------------------------------------------------------------------


def test_going_off_duty_withdraws_the_open_offers_and_says_so() -> None:
    scenes.driver("d")
    order_id = scenes.placed().order_id
    sweeps.deliver()
    assert not drivers.set_available("d", False)["available"]
    assert current.driver_opening("d").data["openBroadcasts"] == []
    with pytest.raises(Exception, match="not offered"):
        offers.accept("d", order_id)
    assert story(order_id)[-1] == "offer_withdrawn"
    last = mailbox.since("driver:d", 0).frames[-1]
    assert last.type == "request_no_longer_available"
    assert '"reason":"unavailable"' in last.text


def test_a_driver_back_on_duty_is_offered_other_orders_and_not_that_one_again() -> None:
    scenes.driver("d")
    first = scenes.placed().order_id
    drivers.set_available("d", False)
    drivers.set_available("d", True)
    later = datetime.now(UTC) + timedelta(seconds=11)
    assert waves.next_wave(first, later) is None
    assert [event["type"] for event in listing.story(first)["events"]].count("wave_sent") == 1
    assert scenes.placed("ravi").followup
    assert len(current.driver_opening("d").data["openBroadcasts"]) == 1


def test_another_vehicle_withdraws_the_offers_for_the_old_one() -> None:
    scenes.driver("d")
    scenes.placed()
    drivers.register("d", "D", "+911234567890", "TRUCK", "OPEN_17FT", "DL 1 AB 1234")
    assert current.driver_opening("d").data["openBroadcasts"] == []


def test_staying_on_duty_keeps_the_offers() -> None:
    scenes.driver("d")
    scenes.placed()
    drivers.set_available("d", True)
    assert len(current.driver_opening("d").data["openBroadcasts"]) == 1


# --- the way ---------------------------------------------------------------------------------------


def move(driver: str, place: tuple[float, float], at_ms: int, now_ms: int) -> driver_index.Moved:
    (moved,) = drivers.report_positions([(driver, Position(*place, at_ms))], now_ms)
    return moved


def told(customer: str = "asha") -> int:
    """The last id of the customer's mailbox: it grows with each word, kept or not."""
    return int(commands().hget(f"mailbox:customer:{customer}:state", "last") or 0)  # type: ignore[arg-type]


def test_the_customer_of_a_trip_gets_a_position_once_a_second_at_most() -> None:
    scenes.driver("d")
    now = scenes.now_ms()
    assert not move("d", NEAR, now, now).trip
    _, truck_id = won()
    now, heard = scenes.now_ms(), []
    for step in range(31):
        at = now + step * 100
        before = told()
        moved = move("d", (NEAR[0] + step / 1e5, NEAR[1]), at, at)
        assert moved.trip
        assert moved.trip.truck_request_id == truck_id
        heard += [step] if told() > before else []
    assert heard == [0, 10, 20, 30]
    driven("d", truck_id, "completed")
    before = told()
    assert move("d", NEAR, now + 5000, now + 5000).trip is None
    assert told() == before


def test_late_and_impossible_positions_are_in_the_history_of_the_trip_and_marked() -> None:
    scenes.driver("d")
    order_id, truck_id = won()
    assigned_ago(truck_id, minutes=5)
    now = scenes.now_ms()
    sent = [(NEAR, -2000), (FAR, 0), (NEAR, -5000), (NEAR, -90_000)]
    reports = [("d", Position(*place, now + ms)) for place, ms in sent]
    moves = drivers.report_positions(reports, now)
    assert [moved.outcome for moved in moves] == ["kept_out", "live", "kept_out", "kept_out"]
    assert [moved.jumped for moved in moves] == [False, True, False, False]
    collected = PositionHistory()
    collected.record_trips(reports, moves)
    collected.stop()
    found = tracking.track(truck_id, "customer", "asha")
    assert (found["truckRequestId"], found["driverId"], found["status"]) == (truck_id, "d", "assigned")
    assert [point["suspect"] for point in found["points"]] == [False, False, False, True]
    assert [point["latitude"] for point in found["points"]] == [NEAR[0], NEAR[0], NEAR[0], FAR[0]]
    with db.statements() as connection:
        assert connection.execute(text("SELECT count(*) FROM track_parts")).scalar_one() <= 3
    assert order_id


def test_a_way_is_shown_to_its_customer_its_driver_and_operators_alone() -> None:
    scenes.driver("d")
    _, truck_id = won()
    begun = assigned_ago(truck_id, minutes=5)
    tracking.record({Way(truck_id, "d"): [(begun + 1000, *NEAR, 0), (begun + 2000, *NEAR, 0)]})
    for role, person in (("customer", "asha"), ("driver", "d"), ("ops", "anybody")):
        assert len(tracking.track(truck_id, role, person)["points"]) == 2
    for role, person in (("customer", "ravi"), ("driver", "e"), ("driver", "asha"), ("customer", "d")):
        with pytest.raises(TripNotFound):
            tracking.track(truck_id, role, person)
    after = datetime.fromtimestamp((begun + 1000) / 1000, UTC)
    assert len(tracking.track(truck_id, "ops", "o", after)["points"]) == 1
    assert len(tracking.track(truck_id, "ops", "o", limit=1)["points"]) == 1


def test_the_way_of_a_driver_who_gave_the_truck_back_is_not_the_next_ones() -> None:
    scenes.driver("d", 1)
    scenes.driver("e", 2)
    order_id, truck_id = won("d")
    tracking.record({Way(truck_id, "d"): [(assigned_ago(truck_id, minutes=5) + 1000, *NEAR, 0)]})
    trip_tasks.give_back("d", truck_id, "a flat tyre")
    with pytest.raises(TripNotFound):
        tracking.track(truck_id, "driver", "d")
    for due in waves.due():
        followups.follow(waves.next_wave(due))
    offers.accept("e", order_id)
    assert tracking.track(truck_id, "customer", "asha")["points"] == []


def test_what_postgres_did_not_take_is_kept_and_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes.driver("d")
    _, truck_id = won()
    assigned_ago(truck_id, minutes=5)
    now = scenes.now_ms()
    collected = PositionHistory()
    moved = move("d", NEAR, now, now)
    with monkeypatch.context() as broken:
        broken.setattr(tracking, "record", _fail)
        collected.record_trips([("d", Position(*NEAR, now))], [moved])
        collected.flush()
        assert tracking.track(truck_id, "driver", "d")["points"] == []
    collected.stop()
    assert len(tracking.track(truck_id, "driver", "d")["points"]) == 1


def _fail(parts: Any) -> int:
    raise db.Unavailable("statement", {}, Exception("Postgres is away"))
