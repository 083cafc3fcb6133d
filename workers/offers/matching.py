"""Whom to ask: the nearest drivers of the right vehicle who have not been asked yet."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from uuid_utils import uuid7

from models import clock, live, money, settings
from models.live import driver_search

# The contract's waves: each looks further than the one before, the last radius stays.
WAVE_RADII_KM = (5, 10, 15, 30, 50)
WAVE_SECONDS = 10
# With more of them most would lose; with fewer trucks would stay empty when some drivers do not answer.
DRIVERS_PER_TRUCK = 10

# A truck request that still needs a driver: a row, or what will be one. Its fields are the columns.
Truck: TypeAlias = Any


class Kind(NamedTuple):
    """What trucks of an order have in common: a driver is asked for a kind once a search."""

    vehicle: str
    fare: Decimal


@dataclass(slots=True)
class Offered:
    """One driver asked, or to be asked; ``fare`` in rupees, ``distance_km`` as the crow flies."""

    offer_id: str
    order_id: str
    driver_id: str
    truck_request_id: str
    vehicle: str
    fare: int | float
    round: int
    wave: int
    distance_km: float


@dataclass(frozen=True)
class WaveSearch:
    """What one wave of one order looks for: its missing trucks, around a pickup (WGS84 degrees).

    ``asked`` has the kinds that each driver is not asked for any more, ``None`` for all of them.
    """

    order_id: str
    round: int
    wave: int
    latitude: float
    longitude: float
    trucks: Sequence[Truck]
    asked: Mapping[str, Collection[Kind] | None] = field(default_factory=dict)

    def may_ask(self, driver_id: str, truck: Truck) -> bool:
        """Whether this driver can be asked for this truck."""
        kinds = self.asked.get(driver_id, ())
        return kinds is not None and (truck.vehicle, truck.price_per_truck) not in kinds

    def by_vehicle(self) -> Mapping[str, list[Truck]]:
        """Its trucks by vehicle."""
        trucks_of: dict[str, list[Truck]] = {}
        for truck in self.trucks:
            trucks_of.setdefault(truck.vehicle, []).append(truck)
        return trucks_of


def radius_km(wave: int) -> int:
    """How far wave 1, 2, … looks, in km."""
    return WAVE_RADII_KM[min(wave, len(WAVE_RADII_KM)) - 1]


def find(searches: Sequence[WaveSearch]) -> list[list[Offered]]:
    """For each search at most ten drivers a missing truck, nearest first. Raises ``redis.RedisError``."""
    pipeline = live.Pipeline()
    found = ask(pipeline, searches)
    pipeline.execute(decode=False)
    return found()


def ask(pipeline: live.Pipeline, searches: Sequence[WaveSearch]) -> Callable[[], list[list[Offered]]]:
    """Adds the same to a pipeline; the result returns the drivers after its execution."""
    questions = [
        _question(search, vehicle, trucks)
        for search in searches
        for vehicle, trucks in search.by_vehicle().items()
    ]
    presence_ms = settings.load().driver_presence_seconds * 1000
    nearby = driver_search.ask(pipeline, questions, clock.now_ms(), presence_ms)

    def found() -> list[list[Offered]]:
        answers = iter(nearby())
        return [_nearest_first(search, answers) for search in searches]

    return found


def _question(search: WaveSearch, vehicle: str, trucks: Sequence[Truck]) -> driver_search.Question:
    k = DRIVERS_PER_TRUCK * len(trucks) + len(search.asked)
    return driver_search.Question(vehicle, search.latitude, search.longitude, radius_km(search.wave), k)


def _nearest_first(search: WaveSearch, answers: Iterator[Sequence[driver_search.Nearby]]) -> list[Offered]:
    """Takes one answer for each vehicle of the search."""
    proposals: list[Offered] = []
    for trucks in search.by_vehicle().values():
        proposals += _proposals(search, trucks, next(answers))
    return sorted(proposals, key=lambda proposal: (proposal.distance_km, proposal.driver_id))


def _proposals(
    search: WaveSearch, trucks: Sequence[Truck], nearby: Sequence[driver_search.Nearby]
) -> list[Offered]:
    """The nearest drivers, each with a truck. Trucks take turns: the first accepts must not all want one."""
    proposals: list[Offered] = []
    for driver in nearby:
        turn = len(proposals)
        if turn == DRIVERS_PER_TRUCK * len(trucks):
            break
        in_turn = (trucks[(turn + i) % len(trucks)] for i in range(len(trucks)))
        truck = next((truck for truck in in_turn if search.may_ask(driver.driver_id, truck)), None)
        if truck is not None:
            proposals.append(_proposal(search, truck, driver))
    return proposals


def _proposal(search: WaveSearch, truck: Truck, driver: driver_search.Nearby) -> Offered:
    return Offered(
        str(uuid7()),
        search.order_id,
        driver.driver_id,
        str(truck.id),
        truck.vehicle,
        money.number(truck.price_per_truck),
        search.round,
        search.wave,
        round(driver.distance_km, 3),
    )
