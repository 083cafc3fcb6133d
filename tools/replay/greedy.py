"""The yardstick: the same trips and cabs, assigned by a greedy dispatcher with complete knowledge.

The baseline cheats in its own favour wherever there was a choice. The same as in the replay: the cabs,
their shifts and recorded tracks, the way back from a drop, the speed to a pickup, loading, the recorded
duration, unloading, drivers who accept every offer, the widest radius and the search of 60 s, which is
real time in both: at sixty times the speed it is an hour of the recording. Better: it knows every
position at every moment, searches the widest radius at once, asks nobody, waits for no answer, and
reports of drivers take no time. Not better: it does not look ahead. An order takes the nearest free
driver at its arrival. One that finds nobody looks again with each wave; otherwise a driver who gets free
or comes on duty takes the order that has waited longest.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import inf
from operator import itemgetter

from tools.replay.cabs import Cab, Whereabouts
from tools.replay.driving import LOADING_S, UNLOADING_S, city_drive_s
from tools.replay.places import Place, distance_km, within_km
from tools.replay.reading import Trip

# The system's search in real seconds, its waves, and the radius of the last of them.
SEARCH_S = 60.0
WAVE_EVERY_S = 10.0
WAVES = int(SEARCH_S / WAVE_EVERY_S)
WAVES_KM = (5.0, 10.0, 15.0, 30.0, 50.0)
REACH_KM = WAVES_KM[-1]
# How many percentage points less than the baseline's the system's share may be.
TOLERANCE = 3

# At the same moment a driver who gets free is there for the orders that search.
DRIVERS_FIRST, ORDERS_NEXT = 0, 1

# Something that happens, called with the recorded moment at which it does.
Event = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Ride:
    """One filled order: the trip, its driver, and when it was assigned (recorded time)."""

    trip: Trip
    driver_id: str
    given_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class Shares:
    """How many of the same orders the system filled, and how many the greedy dispatcher."""

    orders: int
    system: int
    greedy: int

    @property
    def points(self) -> float:
        """By how many percentage points the system is ahead; 0 without orders."""
        return 100 * (self.system - self.greedy) / self.orders if self.orders else 0.0

    @property
    def behind(self) -> bool:
        """Whether the system filled so much less that the replay has failed."""
        return 100 * (self.greedy - self.system) > TOLERANCE * self.orders


class Driver:
    """A cab as the dispatcher knows it: at work or not, free or not, and where. Recorded time."""

    def __init__(self, cab: Cab) -> None:
        self.id = cab.driver_id
        self.begins = cab.shift.begins
        self._ends = cab.shift.ends
        self._whereabouts = Whereabouts(cab.track)
        self._on_trip = False

    def free(self, now: float) -> bool:
        """Whether the driver is at work and has no trip; a shift that runs out during a trip ends with it."""
        return self.begins <= now < self._ends and not self._on_trip

    def at(self, now: float) -> Place:
        """Where the driver is."""
        return self._whereabouts.at(now)

    def take(self, trip: Trip, now: float, answer_s: float = 0.0) -> Ride:
        """Starts on a trip, which takes as long as the replay's drivers take."""
        approach_s = city_drive_s(self.at(now), trip.pickup)
        seconds = answer_s + approach_s + LOADING_S + trip.duration_s + UNLOADING_S
        self._whereabouts.drive(trip.drop, now, seconds)
        self._on_trip = True
        return Ride(trip, self.id, now, now + seconds)

    def finish(self, now: float) -> None:
        """Ends the trip, at its drop."""
        self._whereabouts.stop(now)
        self._on_trip = False


class Dispatcher:
    """Gives the orders out, one event after the other; ``speed`` is that of the replay.

    With ``answer_s``, the real seconds of an answer, it works as the system has to: an order finds a driver
    with a wave of its own only, within the radius of that wave, and each driver takes that long to answer.
    """

    def __init__(
        self, trips: Iterable[Trip], cabs: Iterable[Cab], speed: float, answer_s: float = 0.0
    ) -> None:
        self._wave_s = WAVE_EVERY_S * speed
        self._answer_s = answer_s * speed
        self._numbers = count()
        self._drivers = [Driver(cab) for cab in cabs]
        self._waiting: dict[int, Trip] = {}  # by line, in order of request
        self._rides: list[Ride] = []
        self._events: list[tuple[float, int, int, Event]] = []
        for driver in self._drivers:
            self._plan(driver.begins, DRIVERS_FIRST, partial(self._turns_up, driver))
        for trip in trips:
            self._plan(trip.requested_at, ORDERS_NEXT, partial(self._look, trip, 0))

    def run(self) -> list[Ride]:
        """The rides of all orders that are filled, in the order in which they were given out."""
        while self._events:
            now, _, _, happens = heapq.heappop(self._events)
            happens(now)
        return self._rides

    def _plan(self, moment: float, turn: int, event: Event) -> None:
        heapq.heappush(self._events, (moment, turn, next(self._numbers), event))

    def _look(self, trip: Trip, waves: int, now: float) -> None:
        """Looks for a driver; ``waves`` times before, it has found nobody."""
        if waves and trip.line not in self._waiting:
            return
        reach_km = WAVES_KM[min(waves, len(WAVES_KM) - 1)] if self._answer_s else REACH_KM
        if driver := self._nearest(trip.pickup, now, reach_km):
            self._give(trip, driver, now)
        elif waves < WAVES:
            self._waiting[trip.line] = trip
            moment = trip.requested_at + (waves + 1) * self._wave_s
            self._plan(moment, ORDERS_NEXT, partial(self._look, trip, waves + 1))
        else:
            del self._waiting[trip.line]

    def _nearest(self, pickup: Place, now: float, reach_km: float) -> Driver | None:
        """The nearest free driver within reach; of two as near, the one whose shift began first."""
        free = ((distance_km(driver.at(now), pickup), driver) for driver in self._drivers if driver.free(now))
        km, driver = min(free, key=itemgetter(0), default=(inf, None))
        return driver if km <= reach_km else None

    def _turns_up(self, driver: Driver, now: float) -> None:
        """A driver comes on duty or gets free: the order that has waited longest takes them."""
        if self._answer_s:
            return
        here = driver.at(now)
        orders = self._waiting.values() if driver.free(now) else ()
        trip = next((trip for trip in orders if within_km(here, trip.pickup, REACH_KM)), None)
        if trip:
            self._give(trip, driver, now)

    def _gets_free(self, driver: Driver, now: float) -> None:
        driver.finish(now)
        self._turns_up(driver, now)

    def _give(self, trip: Trip, driver: Driver, now: float) -> None:
        self._waiting.pop(trip.line, None)
        ride = driver.take(trip, now, self._answer_s)
        self._rides.append(ride)
        self._plan(ride.ends_at, DRIVERS_FIRST, partial(self._gets_free, driver))


def simulate(trips: Iterable[Trip], cabs: Iterable[Cab], speed: float, answer_s: float = 0.0) -> list[Ride]:
    """What the baseline makes of the trips (in order of request): a ride for each order that it fills."""
    return Dispatcher(trips, cabs, speed, answer_s).run()
