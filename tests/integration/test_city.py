"""Who is asked in a city of 2,000 drivers: the right ones, near enough, and the nearest of those."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from models import db, geo
from models.live import driver_index
from models.live.driver_index import Position
from tasks import followups
from tests import scenes
from workers.drivers import locating
from workers.offers import waves
from workers.offers.matching import DRIVERS_PER_TRUCK, radius_km

pytestmark = pytest.mark.usefixtures("clean")

TYPES = ("TATA_ACE", "OPEN_17FT", "CONTAINER_20FT", "TIPPER")
DRIVERS, TRUCKS_OF_A_TYPE = 2000, 10
City = dict[str, dict[str, Any]]
# Degrees: drivers are spread over some 60 km, more of them in the middle.
SPREAD = 0.15

INSERT = text("""
    INSERT INTO drivers (id, name, phone, vehicle_type, vehicle_subtype, vehicle, vehicle_number, available)
    SELECT id, id, '+911234567890', 'TRUCK', subtype, vehicle, 'DL 1 AB 1234', available
    FROM jsonb_to_recordset(CAST(:drivers AS jsonb))
        AS d (id text, subtype text, vehicle text, available boolean)
""")


def a_city(seed: int) -> City:
    """Drivers by id: where they are, what they drive, who is off duty and who has been silent."""
    rng = random.Random(seed)
    now = scenes.now_ms()
    city: City = {}
    for number in range(DRIVERS):
        subtype = rng.choice(TYPES)
        city[f"driver-{number:04}"] = {
            "subtype": subtype,
            "vehicle": driver_index.vehicle_key("TRUCK", subtype),
            "available": rng.random() < 0.9,
            "silent": rng.random() < 0.1,
            "place": (rng.gauss(scenes.NOIDA[0], SPREAD), rng.gauss(scenes.NOIDA[1], SPREAD)),
        }
    with db.transaction() as connection:
        connection.execute(INSERT, {"drivers": _json([{"id": who} | driver for who, driver in city.items()])})
    locating.refresh(list(city), now)
    for who, driver in city.items():
        # One who was heard last 61 s ago is in no search any more.
        at = now - 61_000 if driver["silent"] else now
        latitude, longitude = driver["place"]
        locating.update(who, Position(latitude, longitude, at), at)
    return city


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def asked(order_id: str) -> list[Any]:
    with db.statements() as connection:
        return list(
            connection.execute(
                text("SELECT driver_id, vehicle, wave, pickup_distance_km FROM offers WHERE order_id = :id"),
                {"id": order_id},
            )
        )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_wave_asks_the_nearest_free_drivers_of_each_type_within_its_radius(seed: int) -> None:
    city = a_city(seed)
    needs = [
        {
            "vehicleType": "TRUCK",
            "vehicleSubtype": subtype,
            "quantity": TRUCKS_OF_A_TYPE,
            "pricePerTruck": 900,
        }
        for subtype in TYPES[:3]
    ]
    order_id = scenes.placed("asha", vehicleRequirements=needs).order_id
    free = {who: driver for who, driver in city.items() if driver["available"] and not driver["silent"]}
    now = datetime.now(UTC)
    before: set[str] = set()
    for wave in (1, 2, 3):
        if wave > 1:
            followups.follow(waves.next_wave(order_id, now + timedelta(seconds=10 * wave + 1)))
        found = [row for row in asked(order_id) if row.wave == wave]
        assert {row.driver_id for row in found}.isdisjoint(before)
        for subtype in TYPES:
            expected = nearest(free, subtype, radius_km(wave), before) if subtype in TYPES[:3] else []
            vehicle = driver_index.vehicle_key("TRUCK", subtype)
            assert sorted(row.driver_id for row in found if row.vehicle == vehicle) == sorted(expected)
        for row in found:
            assert city[row.driver_id]["vehicle"] == row.vehicle
            assert row.pickup_distance_km <= radius_km(wave)
        before |= {row.driver_id for row in found}
    assert set(Counter(row.driver_id for row in asked(order_id)).values()) == {1}


def nearest(free: City, subtype: str, radius: float, before: set[str]) -> list[str]:
    """The same by looking at everybody."""
    reach = sorted(
        (geo.haversine_km(*scenes.NOIDA, *driver["place"]), who)
        for who, driver in free.items()
        if driver["subtype"] == subtype and who not in before
    )
    return [who for km, who in reach if km <= radius][: DRIVERS_PER_TRUCK * TRUCKS_OF_A_TYPE]
