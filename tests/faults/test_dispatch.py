"""Drivers and customers against each other and against bad lines, over both doors of two web processes."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import pytest
import redis
from websockets.sync.client import ClientConnection

from models.live.driver_index import vehicle_key
from tasks import followups
from tests import scenes
from tests.faults.crew import Crew, Member
from tests.faults.crowd import crowd
from tests.faults.fleet import Fleet
from tests.faults.http import Client, close_all
from tests.faults.incidents import Incidents
from tests.faults.ledger import Ledger
from tests.faults.scene import TYPE, Pace, World, order_body, token
from tests.faults.verdict import disorder, rows
from tests.system import Person, on_duty, until
from workers.orders import expiring

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

DRIVERS, TRUCKS = 200, 20
# Offers to one driver with a bad line; the long form has a thousand.
OFFERS = 150
# A snapshot is a moment: an offer that closes within this time of a connect may be missed.
MARGIN_SECONDS = 1.0
ROUND_SECONDS = 0.25


def world(fleet: Fleet) -> World:
    return World([fleet.port("web1"), fleet.port("web2")], Ledger(), Random(1), Pace(1))


def test_two_hundred_drivers_accept_twenty_trucks(
    fleet: Fleet, name: str, rounds: Callable[[int], int]
) -> None:
    """Half of them by request and half by socket: twenty win, and everybody is answered."""
    asyncio.run(_accept_rounds(fleet, name, rounds(3)))


async def _accept_rounds(fleet: Fleet, name: str, rounds: int) -> None:
    around = world(fleet)
    async with Crew(around, name, DRIVERS) as members:
        for number in range(rounds):
            await _accept_round(fleet, around, members, f"{name}-c{number}", name.upper())


async def _accept_round(
    fleet: Fleet, around: World, members: list[Member], customer: str, subtype: str
) -> None:
    client = Client(token("customer", customer))
    # Winners of the round before are free again; on a busy machine the index hears of it a little later.
    await asyncio.to_thread(until, lambda: _free(fleet, subtype) == DRIVERS, 20, "somebody is missing")
    order = await client.request(around.port(), "POST", "/orders", order_body(customer, subtype, TRUCKS))
    assert order.status in (201, 202), order.body
    order_id = order.data["order"]["id"]
    await asyncio.to_thread(until, lambda: _asked(fleet, order_id) == DRIVERS, 10, "not everybody is asked")
    answers = await asyncio.gather(
        *(member.accept_by_request(order_id) for member in members[::2]),
        *(member.accept_by_socket(order_id) for member in members[1::2]),
    )
    assert Counter(answers) == {"accepted": TRUCKS, "TRUCK_TAKEN": DRIVERS - TRUCKS}
    said = {
        member.sub
        for member, answer in zip([*members[::2], *members[1::2]], answers, strict=True)
        if answer == "accepted"
    }
    found = rows(
        fleet.postgres.url,
        f"SELECT driver_id FROM truck_requests WHERE order_id = '{order_id}' AND status = 'assigned'",
    )
    assert len(found) == TRUCKS
    assert {row.driver_id for row in found} == said
    off = await client.request(around.port(), "POST", f"/orders/{order_id}/cancel", {"reason": "again"})
    assert off.status == 200
    await close_all(client)


def _free(fleet: Fleet, subtype: str) -> int:
    with redis.Redis.from_url(fleet.valkey.url) as client:
        return cast("int", client.zcard(f"drivers:where:{vehicle_key(TYPE, subtype)}"))


def _asked(fleet: Fleet, order_id: str) -> int:
    query = f"SELECT count(*) AS asked FROM offers WHERE order_id = '{order_id}'"
    return int(rows(fleet.postgres.url, query)[0].asked)


# --- cancel, accept and expiry at once -------------------------------------------------------------


@dataclass
class Table:
    """One driver and one customer with open sockets, who race with the clock again and again."""

    driver: Person
    customer: Person
    at_driver: ClientConnection
    at_customer: ClientConnection
    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(3))

    def accept(self, order_id: str) -> bool:
        self.barrier.wait()
        return self.driver.http.post(f"/orders/{order_id}/accept", json={}).status_code == 200

    def cancel(self, order_id: str) -> bool:
        self.barrier.wait()
        answer = self.customer.http.post(f"/orders/{order_id}/cancel", json={"reason": "race"})
        return answer.status_code == 200

    def expire(self, order_id: str) -> bool:
        self.barrier.wait()
        ended = expiring.end_now(order_id, "olga")
        followups.follow(ended)
        return ended is not None


@pytest.mark.usefixtures("here")
def test_cancel_accept_and_expiry_at_once_and_everybody_gets_one_outcome(
    fleet: Fleet, name: str, rounds: Callable[[int], int]
) -> None:
    urls = [f"http://127.0.0.1:{fleet.port(web)}" for web in ("web1", "web2")]
    driver, customer = on_duty(urls[0], name, vehicle=("TRUCK", name)), Person(urls[1], "customer", name)
    endings: Counter[str] = Counter()
    with driver.socket() as at_driver, customer.socket() as at_customer, ThreadPoolExecutor(3) as pool:
        table = Table(driver, customer, at_driver, at_customer)
        for _ in range(rounds(40)):
            begun = time.monotonic()
            endings[_race(fleet, table, pool, name)] += 1
            # Two messages a round and a socket; a hundred in 10 s are a flood.
            time.sleep(max(0.0, ROUND_SECONDS - (time.monotonic() - begun)))
    assert set(endings) <= {"cancelled", "expired", "fully_filled"}
    assert len(endings) > 1, endings


def _race(fleet: Fleet, table: Table, pool: ThreadPoolExecutor, name: str) -> str:
    table.driver.http.post("/drivers/me/locations", json={"locations": [_here()]})
    order = table.customer.order(scenes.body(vehicle=("TRUCK", name)))
    assert order.json()["data"]["broadcastSummary"]["totalDriversNotified"] == 1, order.text
    order_id = str(order.json()["data"]["order"]["id"])
    acts = [pool.submit(act, order_id) for act in (table.accept, table.cancel, table.expire)]
    accepted, cancelled, expired = (act.result() for act in acts)
    [row] = rows(fleet.postgres.url, f"SELECT status, searching FROM orders WHERE id = '{order_id}'")
    query = f"SELECT type FROM order_events WHERE order_id = '{order_id}' ORDER BY id"
    events = [event.type for event in rows(fleet.postgres.url, query)]
    heard = {
        "driver": [f["type"] for f in _heard(table.at_driver) if f["data"].get("orderId") == order_id],
        "customer": [f["type"] for f in _heard(table.at_customer) if f["data"].get("orderId") == order_id],
    }
    story = (row.status, events, heard)
    assert not row.searching, story
    assert row.status == _status(accepted, cancelled, expired), story
    assert ("truck_assigned" in events, "order_cancelled" in events, "order_expired" in events) == (
        accepted,
        cancelled,
        expired,
    ), story
    assert _ends(heard["driver"]) == _expected_ends(accepted, cancelled, expired, won="trip_assigned"), story
    assert _ends(heard["customer"]) == _expected_ends(accepted, False, expired, won="truck_confirmed"), story
    if row.status == "fully_filled":
        assert table.customer.http.post(f"/orders/{order_id}/cancel", json={"reason": "on"}).is_success
    return str(row.status)


def _here() -> dict[str, float]:
    return {"latitude": scenes.NOIDA[0], "longitude": scenes.NOIDA[1]}


def _status(accepted: bool, cancelled: bool, expired: bool) -> str:
    assert cancelled + expired + accepted in (1, 2)
    assert not (expired and (accepted or cancelled))
    return "cancelled" if cancelled else "expired" if expired else "fully_filled"


def _expected_ends(accepted: bool, cancelled: bool, expired: bool, won: str) -> list[str]:
    told = {won: accepted, "order_cancelled": cancelled, "order_expired": expired}
    return [kind for kind, happened in told.items() if happened]


def _ends(heard: list[str]) -> list[str]:
    return [
        kind
        for kind in heard
        if kind in ("trip_assigned", "truck_confirmed", "order_cancelled", "order_expired")
    ]


def _heard(socket: ClientConnection) -> list[dict[str, Any]]:
    """Everything up to now: a heartbeat has the mailbox read, and nonsense is answered after it."""
    socket.send('{"type": "heartbeat", "data": {}}')
    socket.send('{"type": "nonsense", "data": {}}')
    found = []
    while (frame := json.loads(socket.recv(timeout=10)))["type"] != "error":
        found.append(frame)
    return found


# --- a bad line ------------------------------------------------------------------------------------


def test_every_offer_that_is_open_at_a_connect_is_received(
    fleet: Fleet, name: str, rounds: Callable[[int], int]
) -> None:
    around = world(fleet)
    away = asyncio.run(_offers_on_a_bad_line(around, name, rounds(OFFERS)))
    assert 0.15 < away < 0.5, f"the line was cut {away:.0%} of the time"
    person = f"driver:{name}-0"
    frames = around.ledger.frames[person]
    received = {heard.subject.partition(":")[0] for heard in frames if heard.type == "new_broadcast"}
    offers = rows(
        fleet.postgres.url,
        "SELECT order_id::text, extract(epoch FROM offered_at)::float AS begun, "
        f"extract(epoch FROM closed_at)::float AS ended FROM offers WHERE driver_id = '{name}-0'",
    )
    assert len(offers) == rounds(OFFERS)
    to_monotonic = time.monotonic() - time.time()
    spans = around.ledger.connected[person]
    due = [
        offer.order_id
        for offer in offers
        if any(
            min(until, offer.ended + to_monotonic) - max(since, offer.begun + to_monotonic) > MARGIN_SECONDS
            for since, until in spans
        )
    ]
    assert len(due) > 0.5 * len(offers)
    assert set(due) <= received
    assert not list(disorder(frames, Incidents()))


async def _offers_on_a_bad_line(around: World, name: str, offers: int) -> float:
    """Which share of the time the driver was not connected."""
    async with Crew(around, name, 1) as [member]:
        begun = time.monotonic()
        posts = asyncio.create_task(_many_orders(around, name, offers))
        away = 0.0
        while not posts.done():
            await asyncio.sleep(around.random.uniform(0.3, 2))
            pause = around.random.uniform(0.2, 0.8)
            member.listener.wanted.clear()
            member.listener.cut()
            await asyncio.sleep(pause)
            member.listener.wanted.set()
            away += pause
        await posts
        lasted = time.monotonic() - begun
        # The last offers are open for 6 s.
        await asyncio.sleep(8)
    return away / lasted


async def _many_orders(around: World, name: str, count: int) -> None:
    """Some twenty a second, each of another customer."""

    async def post(number: int) -> None:
        client = Client(token("customer", f"{name}-c{number}"))
        answer = await client.request(
            around.port(), "POST", "/orders", order_body(f"{name}-{number}", name.upper())
        )
        assert answer.status in (201, 202), answer.body
        await close_all(client)

    for number in range(count):
        posted = asyncio.create_task(post(number))
        await asyncio.sleep(0.05)
        await posted


def test_the_index_equals_the_last_positions_sent(fleet: Fleet) -> None:
    outcome = crowd(fleet, 300, 15)
    assert not outcome.wrong
    assert outcome.sent >= 1.5 * 300
    assert not outcome.cut
