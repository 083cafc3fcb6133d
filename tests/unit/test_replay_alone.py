"""Who else is where the trips of a replay are."""

from typing import Any

from tools.replay.alone import others
from tools.replay.places import Place
from tools.replay.reading import Trip

DELHI, NOIDA, OAKLAND = Place(28.61, 77.21), Place(28.54, 77.39), Place(37.80, -122.27)
TRIPS = [Trip(2, 0.0, DELHI, NOIDA, 60.0)]


def driver(at: Place, state: str = "available") -> dict[str, Any]:
    return {"state": state, **at.json()}


def search(at: Place) -> dict[str, Any]:
    return {"pickup": {"coordinates": at.json()}}


def test_only_free_drivers_and_searches_within_reach_of_a_pickup_count() -> None:
    drivers = [driver(NOIDA), driver(OAKLAND), driver(NOIDA, "busy"), driver(NOIDA, "silent")]
    shown = {"drivers": drivers, "orders": [search(DELHI), search(NOIDA), search(OAKLAND)]}
    assert others(shown, TRIPS) == (2, 1)
    assert others({"drivers": [driver(OAKLAND)], "orders": []}, TRIPS) == (0, 0)
