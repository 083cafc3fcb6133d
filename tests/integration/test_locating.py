"""What drivers say and what Postgres knows meet in the index, and Redis may forget all of it."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from models import db
from models.errors import DriverNotRegistered
from models.live import commands, driver_index, driver_search
from models.live.driver_index import Position
from tests import scenes
from workers.drivers import locating, registering, trips
from workers.offers import accepting

pytestmark = pytest.mark.usefixtures("clean")

ACE = driver_index.vehicle_key("TRUCK", "TATA_ACE")
OPEN = driver_index.vehicle_key("TRUCK", "OPEN_17FT")
PRESENCE_MS = 60_000
HERE = scenes.NOIDA
THERE = (28.6139, 77.2090)


def found(now_ms: int, point: tuple[float, float] = HERE, vehicle: str = ACE) -> list[str]:
    question = driver_search.Question(vehicle, *point, 5, 10)
    (nearby,) = driver_search.nearest([question], now_ms, PRESENCE_MS)
    return [near.driver_id for near in nearby]


def registered(driver_id: str = "ravi", available: bool = True, subtype: str = "TATA_ACE") -> str:
    registering.register(driver_id, "Ravi", "+911234567890", "TRUCK", subtype, "DL 1 AB 1234")
    registering.set_available(driver_id, available)
    return driver_id


def saved(driver_id: str) -> Position | None:
    row = text("SELECT last_latitude, last_longitude, last_position_at FROM drivers WHERE id = :id")
    with db.transaction() as connection:
        latitude, longitude, at = connection.execute(row, {"id": driver_id}).one()
    return Position(latitude, longitude, round(at.timestamp() * 1000)) if at else None


@pytest.fixture
def now_ms() -> int:
    return int(time.time() * 1000)


def test_the_first_position_of_a_driver_adds_them_to_the_index(now_ms: int) -> None:
    registered()
    assert locating.update("ravi", Position(*HERE, now_ms), now_ms).outcome == "live"
    assert found(now_ms) == ["ravi"]


def test_a_driver_who_is_not_registered_is_refused_and_leaves_no_key(now_ms: int) -> None:
    with pytest.raises(DriverNotRegistered):
        locating.update("nobody", Position(*HERE, now_ms), now_ms)
    assert not locating.heartbeat("nobody", now_ms, Position(*HERE, now_ms))
    assert locating.refresh(["nobody"], now_ms) == 0
    assert locating.refresh([], now_ms) == 0
    assert commands().keys("driver*") == []


def test_of_many_only_those_are_looked_up_whom_redis_has_forgotten(now_ms: int) -> None:
    for name in ("ravi", "bela"):
        registered(name)
    locating.update("ravi", Position(*HERE, now_ms), now_ms)
    reports = [(name, Position(*HERE, now_ms)) for name in ("bela", "nobody", "ravi", "bela")]
    outcomes = [moved.outcome for moved in locating.update_all(reports, now_ms)]
    assert outcomes == ["live", "unknown", "live", "live"]
    assert found(now_ms) == ["bela", "ravi"]
    assert not commands().exists("driver:nobody")


def test_an_unavailable_driver_is_followed_and_not_found(now_ms: int) -> None:
    registered(available=False)
    assert locating.update("ravi", Position(*HERE, now_ms), now_ms).outcome == "live"
    assert found(now_ms) == []
    registering.set_available("ravi", True)
    locating.refresh(["ravi"], now_ms)
    assert found(now_ms) == ["ravi"]


def test_a_driver_who_goes_unavailable_is_found_no_more(now_ms: int) -> None:
    registered()
    locating.update("ravi", Position(*HERE, now_ms), now_ms)
    registering.set_available("ravi", False)
    locating.refresh(["ravi"], now_ms)
    assert found(now_ms) == []


def test_a_driver_with_a_running_trip_is_not_found_until_it_ends() -> None:
    scenes.driver("one")
    won = accepting.accept("one", scenes.placed().order_id)
    now_ms = scenes.now_ms()
    locating.refresh(["one"], now_ms)
    assert found(now_ms) == []
    # Not by a position either, nor after Redis has forgotten everything.
    commands().flushall()
    locating.update("one", Position(*HERE, now_ms), now_ms)
    assert found(now_ms) == []
    trips.give_back("one", won.trip["truckRequestId"], "a flat tyre")
    locating.refresh(["one"], now_ms)
    assert found(now_ms) == ["one"]


def test_a_driver_who_registers_another_vehicle_is_found_with_that_one(now_ms: int) -> None:
    registered()
    locating.update("ravi", Position(*HERE, now_ms), now_ms)
    registered(subtype="open_17ft ")
    locating.refresh(["ravi"], now_ms)
    assert found(now_ms) == []
    assert found(now_ms, vehicle=OPEN) == ["ravi"]


def test_after_flushall_the_next_heartbeat_restores_the_last_position(now_ms: int) -> None:
    registered()
    locating.update("ravi", Position(*THERE, now_ms), now_ms)
    locating.save({"ravi": Position(*HERE, now_ms - 10_000)})
    commands().flushall()
    assert locating.heartbeat("ravi", now_ms + 1, Position(*THERE, now_ms))
    assert found(now_ms + 1, THERE) == ["ravi"]
    assert found(now_ms + 1, HERE) == []


def test_after_flushall_postgres_is_enough_for_a_heartbeat(now_ms: int) -> None:
    registered()
    locating.save({"ravi": Position(*HERE, now_ms - 600_000)})
    # What the connection sent last may be older than what came over another one.
    assert locating.heartbeat("ravi", now_ms, Position(*THERE, now_ms - 700_000))
    assert found(now_ms, HERE) == ["ravi"]


def test_a_heartbeat_before_any_position_adds_no_driver_to_the_index(now_ms: int) -> None:
    registered()
    assert locating.heartbeat("ravi", now_ms, None)
    assert found(now_ms) == []
    assert locating.update("ravi", Position(*HERE, now_ms), now_ms).outcome == "live"
    assert found(now_ms) == ["ravi"]


def test_refreshing_makes_no_silent_driver_look_alive(now_ms: int) -> None:
    registered()
    locating.save({"ravi": Position(*HERE, now_ms - PRESENCE_MS - 1)})
    assert locating.refresh(["ravi"], now_ms) == 1
    assert found(now_ms) == []
    assert locating.heartbeat("ravi", now_ms, None)
    assert found(now_ms) == ["ravi"]


def test_refreshing_does_not_move_a_driver_back(now_ms: int) -> None:
    registered()
    locating.save({"ravi": Position(*HERE, now_ms - 5000)})
    locating.update("ravi", Position(*THERE, now_ms), now_ms)
    locating.refresh(["ravi"], now_ms)
    assert found(now_ms, THERE) == ["ravi"]


def test_many_drivers_are_refreshed_at_once(now_ms: int) -> None:
    drivers = [registered(f"driver-{number}", available=number % 2 == 0) for number in range(10)]
    locating.save({driver: Position(*HERE, now_ms) for driver in drivers})
    assert locating.refresh(drivers, now_ms) == 10
    assert sorted(found(now_ms)) == drivers[::2]


def test_saved_positions_only_go_forward_in_time(now_ms: int) -> None:
    registered("one")
    registered("two")
    now_ms -= 100_000
    assert locating.save({}) == 0
    assert locating.save({"one": Position(*HERE, now_ms), "nobody": Position(*HERE, now_ms)}) == 1
    assert saved("one") == Position(*HERE, now_ms)
    assert saved("two") is None
    older, newer = Position(*THERE, now_ms - 1), Position(*THERE, now_ms + 1)
    assert locating.save({"one": older, "two": older}) == 1
    assert saved("one") == Position(*HERE, now_ms)
    assert saved("two") == older
    assert locating.save({"one": newer, "two": newer}) == 2
    assert saved("one") == newer


def test_a_clock_that_is_ahead_is_saved_as_now(now_ms: int) -> None:
    registered()
    locating.save({"ravi": Position(*HERE, now_ms + 50_000)})
    position = saved("ravi")
    assert position is not None
    assert now_ms <= position.at_ms <= datetime.now(UTC).timestamp() * 1000 + 1000


def test_processes_that_save_the_same_drivers_at_once_do_not_deadlock(now_ms: int) -> None:
    drivers = [registered(f"driver-{number}") for number in range(60)]

    def save(round_: int) -> int:
        shuffled = random.Random(round_).sample(drivers, len(drivers))
        at_ms = now_ms - 100_000 + round_
        return locating.save({driver: Position(*HERE, at_ms) for driver in shuffled})

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(save, range(40))) >= len(drivers)
    assert all(saved(driver) == Position(*HERE, now_ms - 100_000 + 39) for driver in drivers)
