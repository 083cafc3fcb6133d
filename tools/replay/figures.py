"""The figures of a replay, computed once and for all who show them: table, picture, tests."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tools.replay.ledger import Ledger, Order, State


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread, by the nearest-rank method."""

    count: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Figures:
    """What the table says. Times in milliseconds; ``answered`` is POST to 201."""

    posted: int
    placed: int
    queued_first: int
    completed: int
    running: int
    expired: int
    cancelled: int
    unsettled: int
    refused: dict[str, int]
    near: int
    near_filled: int
    offers: Spread
    answered: Spread
    first_offer: Spread
    confirmed: Spread
    late: Spread

    @property
    def filled(self) -> int:
        return self.completed + self.running


def spread(values: Sequence[float]) -> Spread:
    """p50, p95 and p99; all 0 for no values."""
    ordered = sorted(values)
    if not ordered:
        return Spread(0, 0.0, 0.0, 0.0)
    p50, p95, p99 = (ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 95, 99))
    return Spread(len(ordered), p50, p95, p99)


def figures(ledger: Ledger) -> Figures:
    """The figures of everything that has happened so far."""
    orders, states = ledger.orders, ledger.states
    near = [order for order in orders if order.driver_near]
    return Figures(
        posted=len(orders),
        placed=sum(_placed(order) for order in orders),
        queued_first=sum(order.answer_status == 202 for order in orders),
        completed=states[State.COMPLETED],
        running=states[State.RUNNING],
        expired=states[State.EXPIRED],
        cancelled=states[State.CANCELLED],
        unsettled=ledger.unsettled,
        refused=dict(Counter(order.code for order in orders if order.code)),
        near=len(near),
        near_filled=sum(_filled(order) for order in near),
        offers=spread([_offers(ledger, order) for order in orders if _placed(order)]),
        answered=spread([1000 * seconds for order in orders if (seconds := answered_s(order)) is not None]),
        first_offer=spread(
            [1000 * seconds for order in orders if (seconds := first_offer_s(ledger, order)) is not None]
        ),
        confirmed=spread([1000 * (order.filled_at - order.posted_at) for order in orders if order.filled_at]),
        late=spread([1000 * order.late_s for order in orders]),
    )


def answered_s(order: Order) -> float | None:
    """Seconds from the first POST to the 201, repeats included; None for any other answer."""
    if order.answer_status != 201 or order.answered_at is None:
        return None
    return order.answered_at - order.posted_at


def first_offer_s(ledger: Ledger, order: Order) -> float | None:
    """Seconds from the first POST to the first offer of it on a driver's socket."""
    offers = ledger.offers.get(order.order_id)
    return offers.first_at - order.posted_at if offers else None


def _offers(ledger: Ledger, order: Order) -> int:
    offers = ledger.offers.get(order.order_id)
    return len(offers.drivers) if offers else 0


def _placed(order: Order) -> bool:
    return order.state not in {
        State.POSTED,
        State.QUEUED,
        State.REJECTED,
        State.REFUSED,
        State.UNANSWERED,
    }


def _filled(order: Order) -> bool:
    return order.state in {State.RUNNING, State.COMPLETED}
