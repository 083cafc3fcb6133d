"""Whom to ask: the nearest drivers of the right vehicle, who have not been asked yet."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from models import settings
from models.live import driver_index

# The contract's waves: each looks further than the one before, the last radius stays.
WAVE_RADII_KM = (5, 10, 15, 30, 50)
# More would make a crowd of losers, fewer would leave trucks empty when some drivers look away.
DRIVERS_PER_TRUCK = 10


@dataclass(frozen=True)
class MissingTruck:
    """A truck request that still needs a driver."""

    id: str
    vehicle: str
    fare: Decimal


@dataclass(frozen=True)
class Candidate:
    """A driver to ask, for which truck, and how far from the pickup (km)."""

    driver_id: str
    truck: MissingTruck
    distance_km: float


def radius_km(wave: int) -> int:
    """How far wave 1, 2, … looks, in km."""
    return WAVE_RADII_KM[min(wave, len(WAVE_RADII_KM)) - 1]


def candidates(
    trucks: Sequence[MissingTruck],
    latitude: float,
    longitude: float,
    wave: int,
    asked: Collection[str] = (),
) -> list[Candidate]:
    """At most ten drivers a missing truck, nearest first. Raises ``redis.RedisError``."""
    found: list[Candidate] = []
    for vehicle in dict.fromkeys(truck.vehicle for truck in trucks):
        wanted = [truck for truck in trucks if truck.vehicle == vehicle]
        found += _of_vehicle(vehicle, wanted, latitude, longitude, radius_km(wave), asked)
    return found


def _of_vehicle(
    vehicle: str,
    trucks: Sequence[MissingTruck],
    latitude: float,
    longitude: float,
    radius: int,
    asked: Collection[str],
) -> list[Candidate]:
    limit = DRIVERS_PER_TRUCK * len(trucks)
    nearby = driver_index.nearest(
        vehicle,
        latitude,
        longitude,
        radius,
        limit + len(asked),
        int(time.time() * 1000),
        settings.load().driver_presence_seconds * 1000,
    )
    new = [near for near in nearby if near.driver_id not in asked][:limit]
    # The offers name the trucks in turn, so that the first accepts do not all want the same one.
    return [
        Candidate(near.driver_id, trucks[i % len(trucks)], near.distance_km) for i, near in enumerate(new)
    ]
