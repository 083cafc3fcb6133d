"""The streets of the city: a square grid, and trucks that drive along it."""

import random

from tools.replay.places import KM_PER_DEGREE, Place, between

CENTRE = Place(28.57, 77.32)
# Half-kilometre blocks, sixteen kilometres from side to side: the nearest of 200 trucks is a few
# streets away, and the widest wave of a search reaches everybody.
BLOCK_KM = 0.5
BLOCKS = 32

# A crossing, counted from the south-west corner: (blocks east, blocks north).
Crossing = tuple[int, int]

# At this latitude, close enough for streets.
KM_PER_DEGREE_EAST = KM_PER_DEGREE * 0.878


def place(crossing: Crossing) -> Place:
    """Where a crossing is on the globe."""
    east, north = ((blocks - BLOCKS / 2) * BLOCK_KM for blocks in crossing)
    return Place(
        round(CENTRE.latitude + north / KM_PER_DEGREE, 6),
        round(CENTRE.longitude + east / KM_PER_DEGREE_EAST, 6),
    )


def nearest(there: Place) -> Crossing:
    """The crossing that is nearest to a place; of one outside the city, a crossing at its edge."""
    east = (there.longitude - CENTRE.longitude) * KM_PER_DEGREE_EAST
    north = (there.latitude - CENTRE.latitude) * KM_PER_DEGREE
    blocks = [round(km / BLOCK_KM + BLOCKS / 2) for km in (east, north)]
    return (min(max(blocks[0], 0), BLOCKS), min(max(blocks[1], 0), BLOCKS))


def any_crossing(dice: random.Random) -> Crossing:
    """Somewhere in the city, more often near its middle."""
    east, north = (round(dice.triangular(0, BLOCKS)) for _ in range(2))
    return (east, north)


def way_km(start: Crossing, end: Crossing) -> float:
    """The length of any shortest way along the streets."""
    return BLOCK_KM * (abs(start[0] - end[0]) + abs(start[1] - end[1]))


def name(crossing: Crossing) -> str:
    """An address."""
    return f"{crossing[0] + 1} Cross Road, {crossing[1] + 1} Main Road"


class Truck:
    """A truck on its way along the streets."""

    def __init__(self, begins: Crossing, dice: random.Random) -> None:
        self._at, self._way = begins, [begins]
        # How much of the block to the next crossing is driven (km).
        self._driven = 0.0
        self._dice = dice

    @property
    def place(self) -> Place:
        return between(place(self._at), place(self._way[0]), self._driven / BLOCK_KM)

    @property
    def arrived(self) -> bool:
        return len(self._way) == 1 and self._at == self._way[0]

    def head_for(self, crossing: Crossing) -> None:
        """Takes a shortest way from the next crossing; which of them is up to the dice."""
        here = self._way[0]
        east = [(1 if crossing[0] > here[0] else -1, 0)] * abs(crossing[0] - here[0])
        north = [(0, 1 if crossing[1] > here[1] else -1)] * abs(crossing[1] - here[1])
        legs = [east, north]
        self._dice.shuffle(legs)
        self._way = [here]
        for step_east, step_north in legs[0] + legs[1]:
            before = self._way[-1]
            self._way.append((before[0] + step_east, before[1] + step_north))
        if self._at == here and len(self._way) > 1:
            del self._way[0]

    def drive(self, km: float) -> None:
        """Drives so far on, or to the end of its way."""
        while km > 0 and not self.arrived:
            left = BLOCK_KM - self._driven
            if km < left:
                self._driven += km
                return
            km -= left
            self._at, self._driven = self._way[0], 0.0
            if len(self._way) > 1:
                del self._way[0]
