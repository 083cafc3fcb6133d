"""Operators find trucks that do not move on the road, though their phones report."""

from typing import Any

import pytest
from sqlalchemy import text

from models import db, live
from models.live.driver_index import Position
from tasks.followups import follow
from tests import scenes
from tests.clients import Caller, code
from tests.integration.test_trips import assigned_ago
from workers.drivers import locating, tracking, trips
from workers.drivers.tracking import Way
from workers.offers import accepting

pytestmark = pytest.mark.usefixtures("clean")

MINUTE = 60_000
DROP = (28.6139, 77.2090)
# Some 10 km from the pickup and from the drop.
ROAD = (28.5750, 77.3000)
STREET = 0.1 / 111.195


def on_the_way(driver: str, steps: tuple[str, ...] = ("en_route_pickup", "at_pickup", "in_transit")) -> str:
    """The driver's truck, whose last step is half an hour ago."""
    vehicle = ("TRUCK", driver)
    scenes.driver(driver, vehicle=vehicle)
    follow(accepting.accept(driver, scenes.placed(driver, vehicle=vehicle).order_id).followup)
    truck = str(Caller("ops", "olga").get(f"/ops/drivers/{driver}").json["data"]["trip"]["truckRequestId"])  # type: ignore[index]
    for step in steps:
        trips.advance(driver, truck, step)
    assigned_ago(truck, minutes=60)
    with db.transaction() as connection:
        stepped = text("UPDATE truck_requests SET updated_at = now() - interval '30 minutes' WHERE id = :id")
        connection.execute(stepped, {"id": truck})
    return truck


def been(driver: str, truck: str, places: dict[int, tuple[float, float]]) -> None:
    """The driver was at these places so many minutes ago, and is heard at the last one now."""
    now = scenes.now_ms()
    points = [(now - minutes * MINUTE, *place, 0) for minutes, place in places.items()]
    tracking.record({Way(truck, driver): points})
    last = Position(*places[min(places)], now)
    locating.update(driver, last, now)
    locating.save({driver: last})


def standing(query: str = "minutes=15") -> list[str]:
    found: dict[str, Any] = Caller("ops", "olga").get(f"/ops/trips/standing?{query}").json["data"]  # type: ignore[index]
    return [trip["driver"]["driverId"] for trip in found["trips"]]


def every_minute(
    place: tuple[float, float], step: float = 0.0, since: int = 25
) -> dict[int, tuple[float, float]]:
    return {ago: (place[0] - ago * step, place[1]) for ago in range(since, -1, -1)}


def test_a_truck_stands_if_it_stays_on_the_road_for_a_quarter_of_an_hour_while_its_phone_reports() -> None:
    stands, drives, briefly = (on_the_way(name) for name in ("stands", "drives", "briefly"))
    been("stands", stands, every_minute(ROAD))
    been("drives", drives, every_minute(ROAD, step=STREET))
    been("briefly", briefly, every_minute(ROAD, since=10))
    assert standing() == ["stands"]
    assert standing("minutes=40") == []


def test_a_truck_that_has_not_been_loaded_yet_may_stand_too() -> None:
    been("early", on_the_way("early", ("en_route_pickup",)), every_minute(ROAD))
    assert standing() == ["early"]


@pytest.mark.parametrize("place", [scenes.NOIDA, DROP])
def test_a_truck_at_a_place_of_its_order_does_not_stand(place: tuple[float, float]) -> None:
    been("ravi", on_the_way("ravi"), every_minute((place[0] + 4 * STREET, place[1])))
    assert standing() == []


@pytest.mark.parametrize("steps", [(), ("en_route_pickup", "at_pickup")])
def test_a_truck_that_loads_or_has_not_set_out_does_not_stand(steps: tuple[str, ...]) -> None:
    been("ravi", on_the_way("ravi", steps), every_minute(ROAD))
    assert standing() == []


def test_a_truck_that_went_and_came_back_does_not_stand() -> None:
    places = every_minute(ROAD)
    been("ravi", on_the_way("ravi"), places | dict.fromkeys(range(5, 10), DROP))
    assert standing() == []


def test_a_phone_that_reports_only_where_it_moves_stands_at_its_last_place() -> None:
    truck = on_the_way("ravi")
    been("ravi", truck, {25: ROAD})
    been("ravi", truck, {0: ROAD})
    assert standing() == ["ravi"]


def test_a_silent_driver_is_in_the_other_list() -> None:
    been("ravi", on_the_way("ravi"), every_minute(ROAD))
    with db.transaction() as connection:
        connection.execute(text("UPDATE drivers SET last_position_at = now() - interval '3 minutes'"))
    live.commands().delete("driver:ravi")
    assert standing() == []


def test_the_limit_and_the_minutes_are_held() -> None:
    for name in ("ravi", "sonu"):
        been(name, on_the_way(name), every_minute(ROAD))
    answer = Caller("ops", "olga").get("/ops/trips/standing?limit=1").json
    assert answer is not None
    assert (len(answer["data"]["trips"]), answer["data"]["more"]) == (1, True)
    for query in ("minutes=0", "minutes=1441", "limit=0", "minutes=x", "stuckMinutes=3"):
        assert code(Caller("ops", "olga").get(f"/ops/trips/standing?{query}")) == (400, "VALIDATION_ERROR")
