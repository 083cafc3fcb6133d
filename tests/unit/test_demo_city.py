"""The simulated city's streets, its demand over the day, and its counting."""

import random
from itertools import pairwise

import pytest

from tools.demo import demand, ledger, streets
from tools.demo.ledger import Ledger
from tools.replay.places import Place, distance_km

CORNERS = [(0, 0), (32, 32), (16, 16), (5, 29)]


@pytest.mark.parametrize("crossing", CORNERS)
def test_a_crossing_is_nearest_to_itself(crossing: streets.Crossing) -> None:
    assert streets.nearest(streets.place(crossing)) == crossing


def test_a_block_is_half_a_kilometre_both_ways() -> None:
    here = streets.place((16, 16))
    for there in ((17, 16), (16, 17)):
        assert distance_km(here, streets.place(there)) == pytest.approx(0.5, abs=0.005)


def test_a_place_far_away_is_at_the_edge_of_the_city() -> None:
    assert streets.nearest(Place(0.0, 0.0)) == (0, 0)


@pytest.mark.parametrize("to", CORNERS)
@pytest.mark.parametrize("seed", range(5))
def test_a_truck_arrives_after_the_shortest_way_and_stays_on_the_streets(
    to: streets.Crossing, seed: int
) -> None:
    begins = (10, 20)
    truck = streets.Truck(begins, random.Random(seed))
    truck.head_for(to)
    driven = 0.0
    places = [truck.place]
    while not truck.arrived:
        truck.drive(0.05)
        driven += 0.05
        places.append(truck.place)
        assert driven < 100
    assert truck.place == streets.place(to)
    assert driven == pytest.approx(streets.way_km(begins, to), abs=0.06)
    for before, after in pairwise(places):
        assert distance_km(before, after) <= 0.0505


def test_a_truck_can_change_its_mind_between_two_crossings() -> None:
    truck = streets.Truck((10, 10), random.Random(1))
    truck.head_for((12, 10))
    truck.drive(0.2)
    before = truck.place
    truck.head_for((10, 10))
    assert truck.place == before
    truck.drive(0.3 + 0.5)
    assert truck.arrived
    assert truck.place == streets.place((10, 10))


def a_day(seed: int) -> list[demand.Wish]:
    return list(demand.day(seed, 600, 200, 20))


def test_the_same_seed_is_the_same_day_and_another_is_another() -> None:
    assert a_day(1) == a_day(1)
    assert a_day(1) != a_day(2)


def test_a_day_has_a_busy_morning_and_a_quiet_night() -> None:
    wishes = a_day(1)
    hours = [int(demand.hour(wish.after_s / 600)) for wish in wishes]
    assert hours.count(9) > 5 * max(1, hours.count(2))
    assert [wish.after_s for wish in wishes] == sorted(wish.after_s for wish in wishes)
    expected = sum(demand.orders_a_second((step + 0.5) / 600, 200, 20) for step in range(600))
    assert len(wishes) == pytest.approx(expected, rel=0.15)


def test_pickup_and_drop_of_an_order_differ() -> None:
    for wish in a_day(3):
        assert wish.body["pickup"] != wish.body["drop"]
        assert wish.body["distanceKm"] >= streets.BLOCK_KM


def test_the_fleet_has_the_shares_it_should_have() -> None:
    vehicles = [demand.vehicle(number) for number in range(100)]
    assert {kind: vehicles.count(kind) / 100 for kind in demand.FLEET} == demand.FLEET


def test_the_table_says_what_was_counted() -> None:
    counted = Ledger(posted=5, under_way=1)
    counted.ended.update({"completed": 2, "expired": 1})
    counted.first_offer_s += [0.1, 0.4, 0.2]
    counted.refused["RATE_LIMIT_EXCEEDED"] += 1
    rows = {line[:28].strip(): line[28:] for line in ledger.table(counted).splitlines()}
    assert (rows["orders"], rows["filled"], rows["expired"]) == ("5", "3", "1")
    assert rows["refused"] == "1 (RATE_LIMIT_EXCEEDED 1)"
    assert rows["median time to first offer"] == "200 ms"
    assert rows["median time to first truck"] == "-"
    assert ledger.progress(counted, 9.5, 20, 3).startswith("09:30  orders 5")
