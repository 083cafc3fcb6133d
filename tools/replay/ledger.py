"""What the replay's people did and received, order by order; everything reported comes from here."""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """How an order stands, as far as its customer knows."""

    POSTED = "posted"
    QUEUED = "queued"
    SEARCHING = "searching"
    RUNNING = "running"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


ORDER_OF_STATES = tuple(State)
# Nothing more will happen to these.
FINAL = frozenset(
    {State.COMPLETED, State.EXPIRED, State.CANCELLED, State.REJECTED, State.REFUSED, State.UNANSWERED}
)
# The search of these is not over.
UNSETTLED = frozenset({State.POSTED, State.QUEUED, State.SEARCHING})

TRIP_STEPS = ("assigned", "en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed")


@dataclass(slots=True, eq=False)
class Order:
    """One trip as an order. Times are readings of the process's monotonic clock, in seconds."""

    line: int
    customer_id: str
    duration_s: float
    posted_at: float = 0.0
    late_s: float = 0.0
    answered_at: float | None = None
    answer_status: int = 0
    tries: int = 0
    order_id: str = ""
    code: str = ""
    state: State = State.POSTED
    driver_near: bool = False
    connected_throughout: bool = True
    filled_at: float | None = None
    # By the customer's socket: which truck, which driver, how far away, how the search ended.
    told_truck: str = ""
    told_driver: str = ""
    told_trip: str = ""
    told_end: str = ""


@dataclass(slots=True)
class Offers:
    """The offers of one order as they arrived on sockets: when the first did, and at whom."""

    first_at: float
    drivers: "array[int]" = field(default_factory=lambda: array("I"))


@dataclass(slots=True)
class Won:
    """The driver's side of one order: what they last reported, and what the system had agreed to."""

    driver_id: str
    truck_request_id: str
    reported: str = "assigned"
    agreed: str = "assigned"


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of the replay at one moment (``elapsed`` in real seconds)."""

    elapsed: float
    states: dict[State, int]
    online: int
    busy: int
    offers: int


def _has_heard(order: Order, won: Won) -> bool:
    if not order.told_driver:
        return False
    heard = order.told_trip or "assigned"
    return TRIP_STEPS.index(heard) >= TRIP_STEPS.index(won.agreed)


class Ledger:
    """All orders of one replay, and counts of everything else that happened."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.by_id: dict[str, Order] = {}
        # Apart from the orders: a driver can get its offer, and win it, before its customer has the 201.
        self.offers: dict[str, Offers] = {}
        self.won: dict[str, Won] = {}
        self.states: Counter[State] = Counter()
        self.offers_heard = 0
        self.accepts: Counter[str] = Counter()
        self.driver_sockets: Counter[str] = Counter()
        self.customer_sockets: Counter[str] = Counter()
        self.socket_errors: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.most_online = 0
        self.samples: list[Sample] = []

    def open(self, order: Order) -> None:
        """Takes a new order in."""
        self.orders.append(order)
        self.states[order.state] += 1

    def move(self, order: Order, state: State) -> None:
        """Moves an order on, never back: a socket is often quicker than the answer of a request."""
        if order.state in FINAL or ORDER_OF_STATES.index(state) <= ORDER_OF_STATES.index(order.state):
            return
        self.states[order.state] -= 1
        self.states[state] += 1
        order.state = state

    def identify(self, order: Order, order_id: str) -> None:
        """Notes the id that the system gave to an order."""
        order.order_id = order_id
        self.by_id[order_id] = order

    def offered(self, order_id: str, driver: int, at: float) -> None:
        """Notes an offer that a driver (by their number in this replay) has received."""
        offers = self.offers.setdefault(order_id, Offers(at))
        if driver not in offers.drivers:
            offers.drivers.append(driver)
            self.offers_heard += 1

    def won_by(self, order_id: str, driver_id: str, truck_request_id: str) -> Won:
        """Notes that a driver has won the truck of an order, which only one of them may."""
        won = self.won.setdefault(order_id, Won(driver_id, truck_request_id))
        if won.driver_id != driver_id:
            self.failed("a truck was given to two drivers")
            return Won(driver_id, truck_request_id)
        return won

    def untold(self) -> int:
        """Orders whose customers were not yet notified of what the system has confirmed to a driver."""
        ours = ((self.by_id[order_id], won) for order_id, won in self.won.items() if order_id in self.by_id)
        return sum(not _has_heard(order, won) for order, won in ours)

    def failed(self, what: str) -> None:
        """Counts something that must not happen; any of it makes the replay fail."""
        self.failures[what] += 1

    @property
    def unsettled(self) -> int:
        """Orders whose search is not over."""
        return sum(self.states[state] for state in UNSETTLED)

    @property
    def running(self) -> int:
        return self.states[State.RUNNING]

    @property
    def filled(self) -> int:
        """Orders that got their truck."""
        return self.running + self.states[State.COMPLETED]

    @property
    def refused(self) -> int:
        return self.states[State.REFUSED] + self.states[State.REJECTED] + self.states[State.UNANSWERED]
