"""The rules of an order, as a small model, against the door and the real workers in any sequence.

Hypothesis draws what customers, drivers, workers, the clock and Redis do; after each step every row
has to say what the model says.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from models import db, live
from models.errors import DomainError
from models.live.driver_index import Position
from models.tables import all
from tasks import followups, orders, sweeps
from tests import scenes
from tests.conftest import Stores, process_settings
from web import create_app
from web.identity.issuing import issue
from web.wakeups import wakeups
from workers.drivers import locating, trips
from workers.offers import accepting, waves
from workers.orders import cancelling, expiring, recovering

CUSTOMERS = ("asha", "ravi")
DRIVERS = ("d1", "d2", "d3")
KEYS = ("k1", "k2", "k3")
STEPS = ("assigned", "en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed")
LOADED = ("in_transit", "arrived_at_drop", "completed")


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@dataclass
class Truck:
    """One truck of an order, its state as the contract names it."""

    state: str = "searching"
    driver: str | None = None


@dataclass
class Order:
    """What the rules say of one order. ``state`` is ``queued``, ``placed`` or how it ended unplaced."""

    customer: str
    number_of_trucks: int
    state: str = "queued"
    searching: bool = False
    ended: str | None = None
    trucks: list[Truck] = field(default_factory=list)
    # The newest offer of each driver, and who was asked in this round of the search.
    offers: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    @property
    def status(self) -> str:
        if self.state != "placed":
            return self.state
        if self.ended:
            return self.ended
        states = [truck.state for truck in self.trucks if truck.state in STEPS]
        if not states:
            return "active"
        if set(states) == {"completed"} and not self.searching:
            return "completed"
        if set(states) != {"assigned"}:
            return "in_progress"
        return "fully_filled" if len(states) == len(self.trucks) else "partially_filled"

    def close_offers(self, state: str) -> None:
        self.offers = {who: state if was == "open" else was for who, was in self.offers.items()}


@dataclass
class Answered:
    """What was answered for good under a key."""

    trucks: int
    status: int
    body: Any
    order_id: str


class Rules(RuleBasedStateMachine):
    """Customers, drivers, workers, time and Redis, one step at a time."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[str, Order] = {}
        self.answered: dict[tuple[str, str], Answered] = {}
        # Drivers that the index knows; a flush forgets them until they are heard again.
        self.known: set[str] = set()
        self.works = True
        self.client: FlaskClient = create_app().test_client()
        self.enqueue, self.expect = orders.enqueue, wakeups.expect
        orders.enqueue = self._place
        wakeups.expect = lambda order_id: nullcontext()  # type: ignore[method-assign,return-value,assignment]

    def teardown(self) -> None:
        orders.enqueue, wakeups.expect = self.enqueue, self.expect  # type: ignore[method-assign]

    @initialize()
    def begin(self) -> None:
        names = ", ".join(table.name for table in all.TABLES)
        with db.transaction() as connection:
            connection.exec_driver_sql(f"TRUNCATE {names}")
        live.commands().flushall()
        for number, driver in enumerate(DRIVERS, start=1):
            scenes.driver(driver, number)
        self.known = set(DRIVERS)

    def _place(self, order_ids: Sequence[str]) -> bool:
        """The worker's turn, at once or never."""
        if self.works:
            orders.place(order_ids)
        return True

    # What customers do.

    @rule(
        target=ids,
        customer=st.sampled_from(CUSTOMERS),
        key=st.sampled_from(KEYS),
        trucks=st.integers(1, 2),
        works=st.booleans(),
        asynchronous=st.booleans(),
    )
    def post(self, customer: str, key: str, trucks: int, works: bool, asynchronous: bool) -> Any:
        self.works = works
        status, body, replayed = self._post(customer, key, trucks, asynchronous)
        known = self.answered.get((customer, key))
        if known:
            expected = (known.status, known.body, True) if known.trucks == trucks else (422, None, False)
            assert (status, body if status < 400 else None, replayed) == expected
            return multiple()
        if self._queued(customer):
            assert (status, body) == (409, "CONCURRENT_REQUEST")
            return multiple()
        return self._new(customer, key, trucks, status, body, accepted_at_once=asynchronous or not works)

    def _new(
        self, customer: str, key: str, trucks: int, status: int, body: Any, accepted_at_once: bool
    ) -> Any:
        busy = self._searching(customer)
        if busy and not accepted_at_once:
            assert (status, body) == (409, "ACTIVE_ORDER_EXISTS")
            return multiple()
        assert status == (202 if accepted_at_once else 201)
        order_id = body["order"]["id"]
        assert order_id not in self.orders
        self.orders[order_id] = Order(customer, trucks)
        self.answered[customer, key] = Answered(trucks, status, body, order_id)
        if self.works:
            self._placed(order_id)
        return order_id

    def _post(self, customer: str, key: str, trucks: int, asynchronous: bool) -> tuple[int, Any, bool]:
        answer = self.client.post(
            "/api/v1/orders",
            json=scenes.body(trucks),
            headers={
                "Authorization": f"Bearer {issue('customer', customer, timedelta(hours=1))}",
                "X-Idempotency-Key": key,
                "Prefer": "respond-async" if asynchronous else "wait=0",
            },
        )
        json: Any = answer.json
        body = json["data"] if json["success"] else json["error"]["code"]
        return answer.status_code, body, answer.headers.get("Idempotent-Replayed") == "true"

    def _queued(self, customer: str) -> bool:
        return any(o.customer == customer and o.state == "queued" for o in self.orders.values())

    def _searching(self, customer: str) -> bool:
        return any(o.customer == customer and o.searching for o in self.orders.values())

    def _placed(self, order_id: str) -> None:
        """The rule of placing: one search a customer, and everybody free is asked."""
        order = self.orders[order_id]
        if self._searching(order.customer):
            order.state = "rejected"
            return
        order.state, order.searching = "placed", True
        order.trucks = [Truck() for _ in range(order.number_of_trucks)]
        self._ask(order)

    def _ask(self, order: Order) -> None:
        for driver in self.known - self._busy() - order.asked:
            if order.offers.get(driver) not in ("open", "given_back"):
                order.offers[driver] = "open"
                order.asked.add(driver)

    def _busy(self) -> set[str]:
        running = STEPS[:-1]
        return {t.driver for o in self.orders.values() for t in o.trucks if t.driver and t.state in running}

    @rule(order_id=ids)
    def cancel(self, order_id: str) -> None:
        order = self.orders[order_id]
        code = _code(lambda: orders.cancel(order.customer, order_id, "model"))
        if order.status == "queued":
            assert code is None
            order.state = "cancelled"
        elif order.status in ("rejected", "expired", "completed") or any(
            truck.state in LOADED for truck in order.trucks
        ):
            assert code == "ORDER_NOT_CANCELLABLE"
        else:
            assert code is None
            self._cancelled(order)

    def _cancelled(self, order: Order) -> None:
        if order.state != "placed":
            return
        order.ended, order.searching = "cancelled", False
        order.close_offers("cancelled")
        for truck in order.trucks:
            truck.state = truck.state if truck.state == "expired" else "cancelled"

    @rule(order_id=ids, stranger=st.sampled_from(CUSTOMERS))
    def cancel_as_a_stranger(self, order_id: str, stranger: str) -> None:
        if stranger != self.orders[order_id].customer:
            assert _code(lambda: cancelling.cancel(stranger, order_id, "model")) == "ORDER_NOT_FOUND"

    # What drivers do.

    @rule(order_id=ids, driver=st.sampled_from(DRIVERS))
    def accept(self, order_id: str, driver: str) -> None:
        order = self.orders[order_id]
        offer = order.offers.get(driver)
        code = _code(lambda: followups.follow(accepting.accept(driver, order_id).followup))
        closed = {"taken": "TRUCK_TAKEN", "expired": "ORDER_EXPIRED", "cancelled": "ORDER_CANCELLED"}
        if offer and offer != "open" and order.ended:
            assert code == closed[order.ended]
        elif offer == "accepted":
            assert code is None
        elif offer == "open" and driver not in self._busy():
            assert code is None
            self._accepted(order, driver)
        elif offer == "open":
            assert code == "DRIVER_BUSY"
        elif offer == "declined":
            assert code == "INVALID_TRANSITION"
        else:
            assert code == closed.get(offer or "", "NOT_OFFERED")

    def _accepted(self, order: Order, driver: str) -> None:
        order.offers[driver] = "accepted"
        truck = next(truck for truck in order.trucks if truck.state == "searching")
        truck.state, truck.driver = "assigned", driver
        if not any(truck.state == "searching" for truck in order.trucks):
            order.searching = False
            order.close_offers("taken")

    @rule(order_id=ids, driver=st.sampled_from(DRIVERS))
    def accept_too_late(self, order_id: str, driver: str) -> None:
        """The search's time is over and no sweep has seen it."""
        order = self.orders[order_id]
        if order.searching and order.offers.get(driver) == "open" and driver not in self._busy():
            assert _code(lambda: accepting.accept(driver, order_id, now=later(61))) == "ORDER_EXPIRED"

    @rule(order_id=ids, driver=st.sampled_from(DRIVERS))
    def decline(self, order_id: str, driver: str) -> None:
        order = self.orders[order_id]
        if order.offers.get(driver) == "open":
            assert _code(lambda: accepting.decline(driver, order_id)) is None
            order.offers[driver] = "declined"

    @rule(driver=st.sampled_from(DRIVERS))
    def drive_on(self, driver: str) -> None:
        for order_id, order, truck in self._trip_of(driver):
            wanted = STEPS[STEPS.index(truck.state) + 1]
            truck_id = _truck_id(order_id, driver)
            assert _code(lambda t=truck_id, w=wanted: followups.follow(trips.advance(driver, t, w))) is None
            truck.state = wanted
            assert order.status in ("in_progress", "completed")

    @rule(driver=st.sampled_from(DRIVERS))
    def give_back(self, driver: str) -> None:
        for order_id, order, truck in self._trip_of(driver):
            truck_id = _truck_id(order_id, driver)
            code = _code(lambda t=truck_id: followups.follow(trips.give_back(driver, t, "model")))
            if truck.state in LOADED:
                assert code == "INVALID_TRANSITION"
                continue
            assert code is None
            truck.state, truck.driver = "searching", None
            order.offers[driver] = "given_back"
            order.searching, order.asked = True, set()

    def _trip_of(self, driver: str) -> list[tuple[str, Order, Truck]]:
        return [
            (order_id, order, truck)
            for order_id, order in self.orders.items()
            for truck in order.trucks
            if truck.driver == driver and truck.state in STEPS[:-1]
        ]

    @rule(driver=st.sampled_from(DRIVERS))
    def heard(self, driver: str) -> None:
        number = DRIVERS.index(driver) + 1
        here = Position(scenes.NOIDA[0] + number / 111.195, scenes.NOIDA[1], scenes.now_ms())
        locating.update(driver, here, scenes.now_ms())
        self.known.add(driver)

    # What time, workers and Redis do.

    @rule(order_id=ids)
    def expire(self, order_id: str) -> None:
        order = self.orders[order_id]
        assert expiring.expire(order_id, later(30)) is None
        ended = expiring.expire(order_id, later(61))
        assert (ended is not None) == order.searching
        followups.follow(ended)
        if order.searching:
            order.searching = False
            order.close_offers("expired")
            if not any(truck.state in STEPS for truck in order.trucks):
                order.ended = "expired"
            for truck in order.trucks:
                truck.state = "expired" if truck.state == "searching" else truck.state

    @rule(order_id=ids)
    def wave(self, order_id: str) -> None:
        order = self.orders[order_id]
        due, ends = _times(order_id)
        sent = waves.next_wave(order_id, due) if due else None
        followups.follow(sent)
        if order.searching and due and ends and due < ends:
            self._ask(order)

    @rule()
    def recover(self) -> None:
        """What the sweep does with what its worker never placed; twice is once."""
        for _ in range(2):
            for order_id, _ in recovering.overdue(later(3)):
                assert recovering.may_try(order_id)
                sweeps._try_to_place(order_id)
        for order_id, order in self.orders.items():
            if order.state == "queued":
                self._placed(order_id)

    @rule(order_id=consumes(ids))
    def place_again(self, order_id: str) -> None:
        """A task that is handed out twice, or long after."""
        if self.orders[order_id].state == "queued":
            self._placed(order_id)
        orders.place([order_id])

    @precondition(lambda self: self.orders)
    @rule()
    def flush_redis(self) -> None:
        live.commands().flushall()
        self.known = set()

    # What must hold after every step.

    @invariant()
    def rows_say_what_the_rules_say(self) -> None:
        for order_id, order in self.orders.items():
            assert _order_in_rows(order_id) == (
                order.status,
                order.searching,
                Counter((truck.state, truck.driver) for truck in order.trucks),
                order.offers,
            )

    @invariant()
    def nothing_is_there_that_nobody_asked_for(self) -> None:
        assert {str(row.id) for row in _rows("SELECT id FROM orders")} == {
            order_id for order_id, order in self.orders.items() if order.state == "placed"
        }
        assert not _rows("SELECT id FROM outbox")


def _code(act: Any) -> str | None:
    """The refusal's code, ``None`` if it was done."""
    try:
        act()
    except DomainError as error:
        return error.code
    return None


def _rows(sql: str, **values: object) -> list[Any]:
    with db.statements() as connection:
        return list(connection.exec_driver_sql(sql, values).all())


def _order_in_rows(order_id: str) -> tuple[str, bool, Counter[tuple[str, str | None]], dict[str, str]]:
    found = _rows("SELECT status, searching FROM orders WHERE id = %(id)s", id=order_id)
    if not found:
        [admission] = _rows("SELECT state FROM admissions WHERE order_id = %(id)s", id=order_id)
        return admission.state, False, Counter(), {}
    trucks = _rows("SELECT status, driver_id FROM truck_requests WHERE order_id = %(id)s", id=order_id)
    offers = _rows("SELECT driver_id, state FROM offers WHERE order_id = %(id)s ORDER BY round", id=order_id)
    return (
        found[0].status,
        found[0].searching,
        Counter((truck.status, truck.driver_id) for truck in trucks),
        {offer.driver_id: offer.state for offer in offers},
    )


def _truck_id(order_id: str, driver: str) -> str:
    """The truck of this order that the driver has; which of several it is, is not a rule."""
    [truck] = _rows(
        "SELECT id FROM truck_requests WHERE order_id = %(id)s AND driver_id = %(driver)s "
        "AND status NOT IN ('completed', 'cancelled')",
        id=order_id,
        driver=driver,
    )
    return str(truck.id)


def _times(order_id: str) -> tuple[datetime | None, datetime | None]:
    """When the next wave is due, and when the search ends."""
    found = _rows("SELECT next_wave_at, expires_at FROM orders WHERE id = %(id)s", id=order_id)
    return (found[0].next_wave_at, found[0].expires_at) if found else (None, None)


def test_any_sequence_of_events_leaves_what_the_rules_say(stores: Stores) -> None:
    with process_settings(ORDERS_PER_MINUTE="0"):
        run_state_machine_as_test(
            Rules,
            settings=settings(
                max_examples=25,
                stateful_step_count=30,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
