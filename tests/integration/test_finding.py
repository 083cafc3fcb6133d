"""Operators find orders, drivers and trips by what they have in hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import text

from models import db, live
from models.live import driver_index
from tasks.followups import follow
from tests import scenes
from tests.clients import Caller, code
from workers.drivers import registering, trips
from workers.offers import accepting
from workers.reading import drivers, finding

pytestmark = pytest.mark.usefixtures("aside")


def ask(path: str) -> dict[str, Any]:
    answer = Caller("ops", "olga").get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json["data"]  # type: ignore[index]
    return found


def found(query: str) -> list[str]:
    return [order["id"] for order in ask(f"/ops/orders?{query}")["orders"]]


def taken(driver: str, customer: str, **changes: Any) -> str:
    """The id of an order of which the driver has won a truck."""
    order_id = scenes.placed(customer, **changes).order_id
    follow(accepting.accept(driver, order_id).followup)
    return order_id


def sent_at(order_id: str) -> datetime:
    return datetime.fromtimestamp(int(order_id.replace("-", "")[:12], 16) / 1000, UTC)


def wire(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def test_an_order_is_found_by_each_thing_that_people_know_of_it() -> None:
    registering.register("ravi", "Ravi", "+919876543210", "TRUCK", "TATA_ACE", "DL-1 AB 1234")
    scenes.driver("ravi")
    registering.register("ravi", "Ravi", "+919876543210", "TRUCK", "TATA_ACE", "DL-1 AB 1234")
    there = {"latitude": 28.6, "longitude": 77.2, "address": '5% of "Ashok" Nagar'}
    wanted = taken("ravi", "asha", drop=there)
    scenes.placed("bina", vehicle=("TRUCK", "LCV"))
    for query in (
        f"q={wanted}",
        f"q={wanted.upper()}",
        f"q={wanted[-6:]}",
        f"q=…{wanted[-8:]}",
        "q=asha",
        "q=ravi",
        "q=%2B91 98765 43210",
        "q=098765-43210",
        "q=dl1ab1234",
        "q=DL 1 AB 1234",
        'q=5% of "ashok"',
        "driverId=ravi",
        "vehicle=truck/tata_ace",
        "vehicle=Tata_Ace",
        "q=asha&vehicle=TATA_ACE&driverId=ravi",
    ):
        assert found(query) == [wanted], query


def test_what_fits_nothing_finds_nothing() -> None:
    order_id = scenes.placed("asha").order_id
    for query in (
        "q=nobody",
        "q=5_",
        "q=%25",
        "q=01890000-0000-7000-8000-000000000000",
        "driverId=asha",
        "vehicle=TRUCK/LCV",
        "q=asha&vehicle=LCV",
        "q=asha&status=expired",
        "q=Noida&status=queued",
    ):
        assert found(query) == [], query
    assert found("q=noida&status=active") == [order_id]


def test_times_bound_what_is_found() -> None:
    ids = [scenes.placed(f"c{number}").order_id for number in range(3)]
    middle = sent_at(ids[1])
    later = wire(middle + timedelta(milliseconds=1))
    for extra in ("", "&q=Noida", "&q=c1", "&vehicle=TRUCK"):
        between = found(f"from={wire(middle)}&to={later}{extra}")
        assert set(between) <= {order_id for order_id in ids if sent_at(order_id) == middle}
        assert ids[1] in between, extra
    assert found(f"from={wire(middle + timedelta(hours=1))}") == []


def test_an_order_that_was_never_placed_is_found_by_its_customer_and_its_id() -> None:
    order_id = scenes.admitted("asha")
    assert found("q=asha") == found(f"q={order_id}") == [order_id]


def test_pages_of_what_is_looked_for_hold_all_of_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "LOOKED_AT", finding.LOOKED_AT | {"address": 3, "end": 2})
    ids = [scenes.placed("Delhi" if number % 3 == 0 else f"c{number}").order_id for number in range(3)]
    ids += [scenes.placed(f"d{number}").order_id for number in range(6)]
    seen: list[str] = []
    cursor, pages = "", 0
    while True:
        page = ask(f"/ops/orders?q=Delhi&limit=2{cursor}")
        seen += [order["id"] for order in page["orders"]]
        pages += 1
        if not page["nextCursor"]:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == sorted(ids, reverse=True)
    assert pages < 10


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("q=", "q"),
        ("q=" + "x" * 101, "q"),
        ("q=%00", "q"),
        ("from=yesterday", "from"),
        ("to=2026-01-01T00:00:00", "to"),
        ("from=1969-01-01T00:00:00Z", "from"),
        ("vehicle=" + "x" * 65, "vehicle"),
        ("vehicle=a/b/c", "vehicle"),
        ("driverId=a b", "driverId"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_by_its_name(query: str, field: str) -> None:
    answer = Caller("ops", "olga").get(f"/ops/orders?{query}")
    assert code(answer) == (400, "VALIDATION_ERROR")
    assert [row["field"] for row in answer.json["error"]["details"]] == [field]  # type: ignore[index]


def test_a_driver_is_shown_with_state_trip_and_offers() -> None:
    scenes.driver("ravi", 2)
    declined = scenes.placed("asha").order_id
    accepting.decline("ravi", declined)
    won = taken("ravi", "bina")
    seen = ask("/ops/drivers/ravi")
    assert (seen["driverId"], seen["state"], seen["vehicle"]) == ("ravi", "busy", "TRUCK/TATA_ACE")
    assert seen["trip"]["orderId"] == won
    assert not seen["trip"]["loaded"]
    assert [(offer["orderId"], offer["outcome"]) for offer in seen["offersToday"]] == [
        (won, "accepted"),
        (declined, "declined"),
    ]
    assert seen["position"]["latitude"] == pytest.approx(scenes.NOIDA[0] + 2 / 111.195)
    assert datetime.fromisoformat(seen["lastHeardAt"]) > datetime.now(UTC) - timedelta(seconds=10)
    assert code(Caller("ops", "olga").get("/ops/drivers/nobody")) == (404, "DRIVER_NOT_REGISTERED")
    assert code(Caller("ops", "olga").get("/ops/drivers/%00")) == (404, "DRIVER_NOT_REGISTERED")


def test_drivers_are_found_by_state_and_by_what_is_known_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes.driver("busy")
    taken("busy", "asha")
    scenes.driver("free", vehicle=("TRUCK", "LCV"))
    scenes.driver("off", available=False)
    scenes.driver("quiet")
    live.commands().hset("driver:quiet", "seen_ms", str(scenes.now_ms() - 61_000))
    for state, name in {"busy": "busy", "free": "free", "offDuty": "off", "silent": "quiet"}.items():
        assert [driver["driverId"] for driver in ask(f"/ops/drivers?state={state}")["drivers"]] == [name], (
            state
        )
    for query in ("q=quiet", "q=UIE"):
        assert [driver["driverId"] for driver in ask(f"/ops/drivers?{query}")["drivers"]] == ["quiet"], query
    assert len(ask("/ops/drivers?q=1234567890")["drivers"]) == 4
    monkeypatch.setattr(drivers, "STATES_LOOKED_AT", 1)
    seen, cursor = [], ""
    while True:
        page = ask(f"/ops/drivers?limit=2{cursor}")
        seen += [driver["driverId"] for driver in page["drivers"]]
        if not page["nextCursor"]:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == ["busy", "free", "off", "quiet"]
    assert code(Caller("ops", "olga").get("/ops/drivers?state=lost")) == (400, "VALIDATION_ERROR")


def test_without_redis_drivers_are_shown_as_postgres_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes.driver("ravi")

    def away(*_: object) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(driver_index, "signs", away)
    seen = ask("/ops/drivers/ravi")
    assert (seen["state"], seen["position"]) == ("silent", None)


def test_a_trip_is_stuck_once_it_neither_moves_nor_reports() -> None:
    ids = {}
    for name in ("dead", "alive", "fresh"):
        scenes.driver(name, vehicle=("TRUCK", name))
        ids[name] = taken(name, name, vehicle=("TRUCK", name))
    for name in ("dead", "alive"):
        truck = ask(f"/ops/drivers/{name}")["trip"]["truckRequestId"]
        for step in ("en_route_pickup", "at_pickup", "in_transit"):
            trips.advance(name, truck, step)
    with db.transaction() as connection:
        connection.execute(
            text("""UPDATE truck_requests SET updated_at = now() - interval '1 hour'
                WHERE driver_id IN ('dead', 'alive')""")
        )
    live.commands().hset("driver:dead", "seen_ms", str(scenes.now_ms() - 31 * 60_000))
    stuck = ask("/ops/trips?stuckMinutes=30")
    assert [(trip["orderId"], trip["driver"]["driverId"]) for trip in stuck["trips"]] == [
        (ids["dead"], "dead")
    ]
    assert (stuck["trips"][0]["loaded"], stuck["more"]) == (True, False)
    assert ask("/ops/trips?stuckMinutes=32")["trips"] == []
    assert len(ask("/ops/trips")["trips"]) == 3
    assert ask("/ops/trips?limit=1")["more"]
