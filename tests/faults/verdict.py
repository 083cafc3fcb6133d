"""The comparison: every answer against its row, every row against somebody's wish."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2.extras import NamedTupleCursor

from tests.faults.incidents import Incidents
from tests.faults.ledger import Heard, Ledger, Wish

# A sweep delivers what is older than 2 s every second; a search ends within 2 s of its time.
DELIVERY_SECONDS = 4.5

ADMISSIONS = """
    SELECT order_id::text, customer_id, idempotency_key, state, attempts, answer_status,
        payload -> 'pickup' ->> 'address' AS name
    FROM admissions WHERE state <> 'refused'
"""
ORDERS = """
    SELECT id::text, customer_id, status, searching, pickup ->> 'address' AS name FROM orders
"""
OFFERS = """
    SELECT order_id::text, truck_request_id::text, driver_id, state,
        extract(epoch FROM offered_at)::float AS offered_at,
        extract(epoch FROM coalesce(closed_at, now()))::float AS closed_at
    FROM offers
"""
# Two orders of one customer that searched at the same time, each from the commit that placed it to the
# commit that ended its search (in these runs an order has one truck). Times inside of a transaction
# are those of its begin, and say nothing of two that waited for each other.
OVERLAPS = """
    WITH committed AS (SELECT order_id, type, pg_xact_commit_timestamp(xmin) AS at FROM order_events),
    searches AS (
        SELECT o.id, o.customer_id, min(at) FILTER (WHERE type = 'order_placed') AS begun, coalesce(min(at)
            FILTER (WHERE type IN ('order_expired', 'order_cancelled', 'search_ended', 'truck_assigned')),
            now()) AS ended
        FROM orders o JOIN committed ON order_id = o.id GROUP BY o.id
    )
    SELECT a.id::text, b.id::text AS other FROM searches a JOIN searches b
        ON a.customer_id = b.customer_id AND a.id <> b.id AND a.begun <= b.begun AND b.begun < a.ended
"""
LEFT_OVER = {
    "an admission is still queued": "SELECT count(*) FROM admissions WHERE state = 'queued'",
    "an order is still searching": "SELECT count(*) FROM orders WHERE searching",
    "an outbox row is left": "SELECT count(*) FROM outbox",
    "an offer is open though its search is over": "SELECT count(*) FROM offers JOIN orders o "
    "ON o.id = order_id WHERE state = 'open' AND NOT o.searching",
    "a driver has two running trips": "SELECT count(*) FROM (SELECT driver_id FROM truck_requests WHERE "
    "status IN ('assigned', 'en_route_pickup', 'at_pickup', 'in_transit', 'arrived_at_drop') "
    "GROUP BY driver_id HAVING count(*) > 1) AS twice",
    "two offers of one truck were won": "SELECT count(*) FROM (SELECT truck_request_id FROM offers "
    "WHERE state = 'accepted' GROUP BY 1 HAVING count(*) > 1) AS twice",
    "a connection is idle in a transaction": "SELECT count(*) FROM pg_stat_activity "
    "WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '1 second'",
}


@dataclass
class Verdict:
    """What came out of a run."""

    lost: int = 0
    doubled: int = 0
    undelivered: int = 0
    offers: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, kind: str, text: str) -> None:
        self.problems[kind] += 1
        if self.problems[kind] <= 5:
            self.examples.append(f"{kind}: {text}")

    def lose(self, text: str) -> None:
        self.lost += 1
        self.add("lost", text)

    def double(self, text: str) -> None:
        self.doubled += 1
        self.add("doubled", text)

    @property
    def passed(self) -> bool:
        return not self.problems


def rows(url: str, query: str) -> list[Any]:
    """What Postgres answers to one query."""
    connection = psycopg2.connect(url, connect_timeout=5, cursor_factory=NamedTupleCursor)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


def judge(url: str, ledger: Ledger, incidents: Incidents) -> Verdict:
    """Compares the ledger with the database behind ``url``."""
    verdict = Verdict(problems=Counter(ledger.problems), examples=list(ledger.examples))
    admissions, orders = _by_name(rows(url, ADMISSIONS)), _by_name(rows(url, ORDERS))
    for wish in ledger.wishes.values():
        _compare(verdict, wish, admissions.get(wish.name, []), orders.get(wish.name, []))
    for name in {*orders, *admissions} - set(ledger.wishes):
        verdict.add("an order of nobody's", name)
    _drivers(verdict, ledger, incidents, rows(url, OFFERS))
    for a, b in rows(url, OVERLAPS):
        verdict.double(f"{a} and {b} of one customer searched at once")
    for kind, query in LEFT_OVER.items():
        count = rows(url, query)[0][0]
        if count:
            verdict.add(kind, f"{count} rows")
    return verdict


def _by_name(found: list[Any]) -> dict[str, list[Any]]:
    by_name = defaultdict(list)
    for row in found:
        by_name[row.name].append(row)
    return by_name


def _compare(verdict: Verdict, wish: Wish, admissions: list[Any], orders: list[Any]) -> None:
    what = f"{wish.name} ({dict(wish.answers)}, told {wish.status} {wish.order_id})"
    if len(orders) > 1 or len(admissions) > 1:
        verdict.double(f"{what}: orders {[o.id for o in orders]}, admissions {len(admissions)}")
    if wish.accepted:
        _accepted(verdict, wish, what, admissions, orders)
    elif not wish.unclear and (orders or admissions):
        verdict.add("refused, and yet an order", what)


def _accepted(verdict: Verdict, wish: Wish, what: str, admissions: list[Any], orders: list[Any]) -> None:
    admission = next((a for a in admissions if a.order_id == wish.order_id), None)
    order = next((o for o in orders if o.id == wish.order_id), None)
    if admission is None or (admission.customer_id, admission.idempotency_key) != (wish.customer, wish.key):
        verdict.lose(f"{what}: no admission")
    elif admission.answer_status != wish.status:
        verdict.add("another answer is on record", f"{what}: {admission.answer_status}")
    elif admission.state == "dead":
        verdict.lose(f"{what}: dead after {admission.attempts} attempts")
    elif order is None and not (wish.status == 202 and admission.state in ("rejected", "cancelled")):
        verdict.lose(f"{what}: admission {admission.state}, no order")
    elif order is not None and order.customer_id != wish.customer:
        verdict.lose(f"{what}: the order is {order.customer_id}'s")
    elif order is not None and wish.cancelled and order.status != "cancelled":
        verdict.add("a cancel was answered and is not there", f"{what}: {order.status}")


def _drivers(verdict: Verdict, ledger: Ledger, incidents: Incidents, offers: list[Any]) -> None:
    verdict.offers = len(offers)
    states = defaultdict(set)
    to_monotonic = time.monotonic() - time.time()
    told = {person: {heard.subject for heard in frames} for person, frames in ledger.frames.items()}
    orders = {person: {subject.partition(":")[0] for subject in all_} for person, all_ in told.items()}
    for offer in offers:
        states[offer.driver_id, offer.order_id].add(offer.state)
        person = f"driver:{offer.driver_id}"
        if offer.order_id in orders.get(person, set()):
            continue
        begin, end = offer.offered_at + to_monotonic, offer.closed_at + to_monotonic
        if _reachable(ledger, incidents, person, begin, end) > DELIVERY_SECONDS:
            verdict.undelivered += 1
            verdict.add("an offer did not reach its driver", f"{person}, order {offer.order_id}")
    for driver, order in ledger.wins:
        if not states[driver, order] & {"accepted", "given_back"}:
            verdict.lose(f"truck of {order}, won by {driver}: {states[driver, order]}")
    for person, frames in ledger.frames.items():
        for kind, text in disorder(frames, incidents):
            verdict.add(kind, f"{person}: {text}")


def _reachable(ledger: Ledger, incidents: Incidents, person: str, begin: float, end: float) -> float:
    """The longest time between these that the driver was connected and nothing excuses silence."""
    spans = ledger.connected.get(person, [])
    return max(
        (incidents.calm(max(begin, a), min(end, b)) for a, b in spans if a < end and b > begin), default=0.0
    )


def disorder(frames: list[Heard], incidents: Incidents) -> Iterator[tuple[str, str]]:
    """Ids that go back on one socket, mean two things, or differ for one offer without a reason."""
    last, connection = 0, 0
    meaning: dict[int, str] = {}
    offers: dict[str, Heard] = {}
    for heard in frames:
        last = last if heard.connection == connection else 0
        connection = heard.connection
        if heard.id <= last:
            yield "ids of a socket do not grow", f"{heard.id} {heard.type} after {last}"
        last = heard.id
        fact = f"{heard.type} {heard.subject}"
        if meaning.setdefault(heard.id, fact) != fact:
            yield "an id was used twice", f"{heard.id}: {meaning[heard.id]}, {fact}"
        if heard.type == "new_broadcast":
            before = offers.setdefault(heard.subject, heard)
            if before.id != heard.id and not incidents.forgotten(before.at - 5, heard.at):
                yield "one offer came with two ids", f"{before.id}, {heard.id} {heard.subject}"
                offers[heard.subject] = heard
