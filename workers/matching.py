"""Whom to ask: the nearest drivers of the right vehicle, who have not been asked yet."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from models import clock, live, settings
from models.live import driver_search

# The contract's waves: each looks further than the one before, the last radius stays.
WAVE_RADII_KM = (5, 10, 15, 30, 50)
# More would make a crowd of losers, fewer would leave trucks empty when some drivers look away.
DRIVERS_PER_TRUCK = 10


class Kind(NamedTuple):
    """What one truck of an order has in common with others: drivers are asked for it once a search."""

    vehicle: str
    fare: Decimal


class MissingTruck(NamedTuple):
    """A truck request that still needs a driver."""

    id: str
    vehicle: str
    fare: Decimal

    @property
    def kind(self) -> Kind:
        return Kind(self.vehicle, self.fare)


class Candidate(NamedTuple):
    """A driver to ask, for which truck, and how far from the pickup (km)."""

    driver_id: str
    truck: MissingTruck
    distance_km: float


def radius_km(wave: int) -> int:
    """How far wave 1, 2, … looks, in km."""
    return WAVE_RADII_KM[min(wave, len(WAVE_RADII_KM)) - 1]


@dataclass(frozen=True)
class WaveSearch:
    """What one wave of one order looks for: its missing trucks, around a pickup (WGS84 degrees).

    ``asked`` are the kinds that each driver is not asked for any more, ``None`` for all of them.
    """

    trucks: Sequence[MissingTruck]
    latitude: float
    longitude: float
    wave: int
    asked: Mapping[str, Collection[Kind] | None] = field(default_factory=dict)

    def may_ask(self, driver_id: str, truck: MissingTruck) -> bool:
        """Whether this driver can be asked for this truck."""
        kinds = self.asked.get(driver_id, ())
        return kinds is not None and truck.kind not in kinds


def candidates(searches: Sequence[WaveSearch]) -> list[list[Candidate]]:
    """For each search at most ten drivers a missing truck, nearest first. Raises ``redis.RedisError``."""
    pipeline = live.Pipeline()
    found = ask(pipeline, searches)
    pipeline.execute(decode=False)
    return found()


def ask(pipeline: live.Pipeline, searches: Sequence[WaveSearch]) -> Callable[[], list[list[Candidate]]]:
    """Adds the same search to a pipeline; the result returns the candidates after its execution."""
    of_vehicles = [(search, vehicle, trucks) for search in searches for vehicle, trucks in _kinds(search)]
    nearby = driver_search.ask(
        pipeline,
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


def _kinds(search: WaveSearch) -> Iterable[tuple[str, list[MissingTruck]]]:
    kinds: dict[str, list[MissingTruck]] = {}
    for truck in search.trucks:
        kinds.setdefault(truck.vehicle, []).append(truck)
    return kinds.items()


def _question(search: WaveSearch, vehicle: str, trucks: int) -> driver_search.Question:
    k = DRIVERS_PER_TRUCK * trucks + len(search.asked)
    return driver_search.Question(vehicle, search.latitude, search.longitude, radius_km(search.wave), k)


def _candidates(
    search: WaveSearch, trucks: Sequence[MissingTruck], nearby: Sequence[driver_search.Nearby]
) -> list[Candidate]:
    """The nearest drivers, each with a truck; the trucks in turn, so that the first accepts do not all want
    the same one.
    """
    found: list[Candidate] = []
    for near in nearby:
        turn = len(found)
        if turn == DRIVERS_PER_TRUCK * len(trucks):
            break
        in_turn = (trucks[(turn + i) % len(trucks)] for i in range(len(trucks)))
        truck = next((each for each in in_turn if search.may_ask(near.driver_id, each)), None)
        if truck is not None:
            found.append(Candidate(near.driver_id, truck, near.distance_km))
    return found
