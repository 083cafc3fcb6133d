"""Driving a trip that was won, from the acceptance to the last signature."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

from tools.replay.cabs import Whereabouts
from tools.replay.ledger import TRIP_STEPS, Won
from tools.replay.places import Place, road_km
from tools.replay.world import World

# A truck in city traffic, for the way to the pickup (and for a trip that was not recorded).
CITY_KMH = 30.0
# Loading and unloading, in recorded time like the rest of a trip. Short, since the recording is of
# cabs and its drivers were off to the next passenger as soon.
LOADING_S = 60.0
UNLOADING_S = 60.0
# A driver whose report could not be taken has a load on the truck: they go on trying.
TRY_AGAIN_S = 2.0


def city_drive_s(start: Place, end: Place) -> float:
    """How long a truck takes from one place to the other, in recorded seconds."""
    return road_km(start, end) / CITY_KMH * 3600


def place_of(point: dict[str, Any]) -> Place:
    """A pickup or drop as the system sends it."""
    at = point["coordinates"]
    return Place(at["latitude"], at["longitude"])


@dataclass(frozen=True, slots=True)
class Job:
    """A trip of one driver; ``status`` is where it stands when it is taken up."""

    order_id: str
    truck_request_id: str
    pickup: Place
    drop: Place
    status: str = "assigned"

    @classmethod
    def told(cls, trip: dict[str, Any]) -> Self:
        """The trip as the system sends it to its driver."""
        pickup, drop = place_of(trip["pickup"]), place_of(trip["drop"])
        return cls(trip["orderId"], trip["truckRequestId"], pickup, drop, trip["status"])


async def drive(world: World, bearer: str, whereabouts: Whereabouts, job: Job, won: Won) -> None:
    """Drives to the pickup and then to the drop, and reports each step as it is reached.

    Ends early when the system says that the trip is over, and then counts that.
    """
    for step in TRIP_STEPS[TRIP_STEPS.index(job.status) + 1 :]:
        target, seconds = _leg(world, whereabouts, job, step)
        whereabouts.drive(target, world.clock.now(), seconds)
        await asyncio.sleep(world.clock.real(seconds))
        if not await _report(world, bearer, job, won, step):
            break
    whereabouts.stop(world.clock.now())


def _leg(world: World, whereabouts: Whereabouts, job: Job, step: str) -> tuple[Place, float]:
    """Where a step is reached, and after how many recorded seconds from now."""
    here = whereabouts.at(world.clock.now())
    if step == "at_pickup":
        return job.pickup, city_drive_s(here, job.pickup)
    if step == "arrived_at_drop":
        return job.drop, _duration(world, job)
    return here, {"in_transit": LOADING_S, "completed": UNLOADING_S}.get(step, 0.0)


def _duration(world: World, job: Job) -> float:
    """As recorded, in seconds; an order that is not of this replay is driven at the city's pace."""
    order = world.ledger.by_id.get(job.order_id)
    return order.duration_s if order else city_drive_s(job.pickup, job.drop)


async def _report(world: World, bearer: str, job: Job, won: Won, status: str) -> bool:
    """Reports a step, for as long as it takes; False if the system will not have it."""
    won.reported = status
    path, repeated = f"/trips/{job.truck_request_id}/status", False
    while (answer := await world.api.send("POST", path, bearer, {"status": status})).worth_repeating:
        repeated = True
        if answer.broken:
            world.ledger.failed(f"POST /trips/…/status: {answer.code}")
        await asyncio.sleep(TRY_AGAIN_S)
    # After a repeat this says that the first try had arrived and only its answer was lost.
    if answer.ok or ((repeated or answer.tries > 1) and answer.code == "INVALID_TRANSITION"):
        won.agreed = status
        return True
    world.ledger.failed(f"POST /trips/…/status: {answer.code}")
    return False
