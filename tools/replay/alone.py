"""Whether a replay has the streets to itself: with others there, its figures would be theirs too."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from tools.replay.places import Place, within_km
from tools.replay.reading import Trip
from tools.replay.world import World

# What a run before has ended may still be shown for a moment.
QUIET_WITHIN_S = 5.0
LOOK_EVERY_S = 1.0
# Orders look for drivers this far away; pickups within some 10 km of each other are taken as one.
REACH_KM, DECIMALS = 50.0, 1


class NotBegun(Exception):
    """The system is not there to be replayed against; the text is one sentence."""


async def wait(world: World, trips: Sequence[Trip]) -> None:
    """Waits until nobody else is free or searches where the trips are; not for long, then raises NotBegun."""
    bearer = world.tokens.bearer(f"replay-{world.run}", "ops")
    until = time.monotonic() + QUIET_WITHIN_S
    while True:
        answer = await world.api.send("GET", "/ops/overview", bearer)
        if not answer.ok:
            raise NotBegun(f"The system does not say who is at work ({answer.code}).")
        searches, drivers = others(answer.data["map"], trips)
        if not (searches or drivers):
            return
        if time.monotonic() > until:
            raise NotBegun(
                f"The system is busy where the trips are: {searches} searches and {drivers} free drivers of "
                "others. End the simulated city or the other replay; who is silent is left out after 60 s."
            )
        await asyncio.sleep(LOOK_EVERY_S)


def others(shown: dict[str, Any], trips: Sequence[Trip]) -> tuple[int, int]:
    """How many searches and free drivers the operators' map has within reach of the trips' pickups."""
    pickups = {
        Place(round(trip.pickup.latitude, DECIMALS), round(trip.pickup.longitude, DECIMALS)) for trip in trips
    }

    def near(at: dict[str, float]) -> bool:
        place = Place(at["latitude"], at["longitude"])
        return any(within_km(place, pickup, REACH_KM) for pickup in pickups)

    free = [driver for driver in shown["drivers"] if driver["state"] == "available"]
    searches = [order["pickup"]["coordinates"] for order in shown["orders"]]
    return sum(map(near, searches)), sum(map(near, free))
