"""Whom to ask: the nearest drivers of the right vehicle, who have not been asked yet."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from models import clock, live, settings
from models.live import driver_search

# The contract's waves: each looks further than the one before, the last radius stays.
WAVE_RADII_KM = (5, 10, 15, 30, 50)
# More would make a crowd of losers, fewer would leave trucks empty when some drivers look away.
DRIVERS_PER_TRUCK = 10


class MissingTruck(NamedTuple):
    """A truck request that still needs a driver."""

    id: str
    vehicle: str
    fare: Decimal


class Candidate(NamedTuple):
    """A driver to ask, for which truck, and how far from the pickup (km)."""

    driver_id: str
    truck: MissingTruck
    distance_km: float


def radius_km(wave: int) -> int:
    """How far wave 1, 2, … looks, in km."""
    return WAVE_RADII_KM[min(wave, len(WAVE_RADII_KM)) - 1]


@dataclass(frozen=True)
class Search:
    """What one wave of one order looks for: its missing trucks, around a pickup (WGS84 degrees)."""

    trucks: Sequence[MissingTruck]
    latitude: float
    longitude: float
    wave: int
    asked: Collection[str] = ()


def candidates(searches: Sequence[Search]) -> list[list[Candidate]]:
    """For each search at most ten drivers a missing truck, nearest first. Raises ``redis.RedisError``."""
    trip = live.Trip()
    found = ask(trip, searches)
    trip.go(repeatable=True)
    return found()


def ask(trip: live.Trip, searches: Sequence[Search]) -> Callable[[], list[list[Candidate]]]:
    """Asks for the same on the way of others; who was found can be had once the trip is over."""
    of_vehicles = [(search, vehicle, trucks) for search in searches for vehicle, trucks in _kinds(search)]
    nearby = driver_search.ask(
        trip,
        [_question(search, vehicle, len(trucks)) for search, vehicle, trucks in of_vehicles],
        clock.now_ms(),
        settings.load().driver_presence_seconds * 1000,
    )

    def found() -> list[list[Candidate]]:
        candidates_of: dict[int, list[Candidate]] = {id(search): [] for search in searches}
        for (search, _, trucks), some in zip(of_vehicles, nearby(), strict=True):
            candidates_of[id(search)] += _candidates(search, trucks, some)
        return [candidates_of[id(search)] for search in searches]

    return found


def _kinds(search: Search) -> Iterable[tuple[str, list[MissingTruck]]]:
    kinds: dict[str, list[MissingTruck]] = {}
    for truck in search.trucks:
        kinds.setdefault(truck.vehicle, []).append(truck)
    return kinds.items()


def _question(search: Search, vehicle: str, trucks: int) -> driver_search.Question:
    k = DRIVERS_PER_TRUCK * trucks + len(search.asked)
    return driver_search.Question(vehicle, search.latitude, search.longitude, radius_km(search.wave), k)


def _candidates(
    search: Search, trucks: Sequence[MissingTruck], nearby: Sequence[driver_search.Nearby]
) -> list[Candidate]:
    new = [near for near in nearby if near.driver_id not in search.asked][: DRIVERS_PER_TRUCK * len(trucks)]
    # The offers name the trucks in turn, so that the first accepts do not all want the same one.
    return [
        Candidate(near.driver_id, trucks[i % len(trucks)], near.distance_km) for i, near in enumerate(new)
    ]
