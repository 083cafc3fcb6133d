"""Who orders what and when, over one day that is pressed into some minutes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from weelo_client.shapes import NewOrder, Place

from tools.demo import streets

# How busy each hour is, from midnight on: a morning and an evening peak, a quiet night.
HOURS = (5, 3, 2, 2, 4, 12, 30, 60, 90, 100, 85, 70, 60, 60, 65, 75, 90, 100, 90, 65, 45, 30, 18, 10)
BEGINS_AT_HOUR = 6

KMH = 30.0
# Loading and unloading, by the clock of the trucks.
LOADING_S = 180.0
# What a peak asks of the city's trucks: more than there are, so that some orders wait and some expire.
PEAK_UTILISATION = 1.1
# From an order to its truck, and the way there: used to guess how long a truck is busy.
PICKUP_KM, TRIP_KM, REACTION_S = 1.5, 7.5, 3.0

# The trucks of the city, and what people ask for: a little more of the large ones than there are.
FLEET = {"TATA_ACE": 0.6, "OPEN_17FT": 0.3, "CONTAINER_20FT": 0.1}
WANTED = {"TATA_ACE": 0.55, "OPEN_17FT": 0.3, "CONTAINER_20FT": 0.15}
FARES = {"TATA_ACE": (150, 25), "OPEN_17FT": (400, 45), "CONTAINER_20FT": (900, 80)}
TRUCKS = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
GOODS = ("furniture", "cement", "vegetables", "parcels", "machine parts", "textiles")


@dataclass(frozen=True)
class Wish:
    """One order to come, so many seconds after the beginning."""

    after_s: float
    body: NewOrder


def hour(share: float) -> float:
    """The hour of the day (0 to 24) when this share of it is over."""
    return (BEGINS_AT_HOUR + 24 * share) % 24


def orders_a_second(share: float, drivers: int, speed: float) -> float:
    """How many orders come now, from how many trucks there are and how long each is busy."""
    driving = (PICKUP_KM + TRIP_KM) / KMH * 3600
    busy_s = (driving + 2 * LOADING_S) / speed + REACTION_S
    trucks = sum(TRUCKS) / len(TRUCKS)
    return PEAK_UTILISATION * drivers / busy_s / trucks * HOURS[int(hour(share))] / 100


def day(seed: int, seconds: float, drivers: int, speed: float) -> Iterator[Wish]:
    """The orders of one day in the order they come; the same seed wishes the same."""
    dice = random.Random(f"{seed}:demand")
    most = max(orders_a_second(hour / 24, drivers, speed) for hour in range(24))
    after_s = 0.0
    while (after_s := after_s + dice.expovariate(most)) < seconds:
        if dice.random() * most < orders_a_second(after_s / seconds, drivers, speed):
            yield Wish(after_s, _body(dice))


def _body(dice: random.Random) -> NewOrder:
    pickup, drop = streets.any_crossing(dice), streets.any_crossing(dice)
    while pickup == drop:
        drop = streets.any_crossing(dice)
    kind = _one_of(WANTED, dice)
    flag_fall, each_km = FARES[kind]
    km = streets.way_km(pickup, drop)
    return {
        "pickup": _address(pickup),
        "drop": _address(drop),
        "distanceKm": km,
        "vehicleRequirements": [
            {
                "vehicleType": "TRUCK",
                "vehicleSubtype": kind,
                "quantity": dice.choice(TRUCKS),
                "pricePerTruck": flag_fall + each_km * km,
            }
        ],
        "goodsType": dice.choice(GOODS),
    }


def vehicle(number: int) -> str:
    """The vehicle of a driver: the fleet's shares among any ten in a row."""
    share = number % 10 / 10
    for kind, part in FLEET.items():
        if share < part - 1e-9:
            return kind
        share -= part
    return next(iter(FLEET))


def _one_of(shares: dict[str, float], dice: random.Random) -> str:
    return dice.choices(list(shares), list(shares.values()))[0]


def _address(crossing: streets.Crossing) -> Place:
    there = streets.place(crossing)
    return {"latitude": there.latitude, "longitude": there.longitude, "address": streets.name(crossing)}
