"""The ledger's account of the orders, the figures from it, the table and the picture."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tools.replay import chart, session, table
from tools.replay.clock import Clock
from tools.replay.figures import Spread, figures, spread
from tools.replay.greedy import Ride, Shares
from tools.replay.ledger import Ledger, Order, Sample, State
from tools.replay.places import Place
from tools.replay.reading import BadRows, Trip
from tools.replay.verifying import Disagreement

EQUAL = Shares(orders=4, system=2, greedy=2)


def order(ledger: Ledger, line: int, state: State, near: bool = True, posted_at: float = 0.0) -> Order:
    made = Order(line, f"customer-{line}", 600.0, posted_at=posted_at, driver_near=near)
    ledger.open(made)
    ledger.identify(made, f"order-{line}")
    made.answer_status, made.answered_at = 201, posted_at + 0.05
    ledger.move(made, state)
    return made


@pytest.fixture
def ledger() -> Ledger:
    """A completed and a running order, one that expired near nobody, and a refused one."""
    kept = Ledger()
    order(kept, 2, State.COMPLETED).filled_at = 2.0
    order(kept, 3, State.RUNNING, posted_at=10.0)
    order(kept, 4, State.EXPIRED, near=False)
    refused = order(kept, 5, State.REFUSED)
    refused.code, refused.answer_status = "RATE_LIMIT_EXCEEDED", 429
    for driver in (0, 1, 2, 1):
        kept.offered("order-2", driver, 0.5 + driver)
    kept.offered("order-3", 0, 10.25)
    return kept


def test_percentiles_are_by_nearest_rank() -> None:
    assert spread(range(1, 101)) == Spread(100, 50, 95, 99)
    assert spread([3.0, 1.0, 2.0]) == Spread(3, 2.0, 3.0, 3.0)
    assert spread([7.0]) == Spread(1, 7.0, 7.0, 7.0)
    assert spread([]) == Spread(0, 0.0, 0.0, 0.0)


def test_the_figures_add_up(ledger: Ledger) -> None:
    found = figures(ledger)
    assert (found.posted, found.placed, found.filled, found.expired) == (4, 3, 2, 1)
    assert found.refused == {"RATE_LIMIT_EXCEEDED": 1}
    assert found.unsettled == 0
    assert found.answered.count == 3
    assert found.answered.p99 == pytest.approx(50.0)
    assert (found.first_offer.count, found.first_offer.p50, found.first_offer.p99) == (2, 250.0, 500.0)
    assert (found.offers.p50, found.offers.p99) == (1, 3)


def test_the_share_filled_counts_only_orders_with_a_free_driver_near(ledger: Ledger) -> None:
    found = figures(ledger)
    assert (found.near, found.near_filled) == (3, 2)


def test_an_offer_received_twice_by_one_driver_counts_once(ledger: Ledger) -> None:
    assert ledger.offers_heard == 4
    assert list(ledger.offers["order-2"].drivers) == [0, 1, 2]


def test_a_state_moves_on_and_never_back() -> None:
    ledger = Ledger()
    made = order(ledger, 2, State.RUNNING)
    states = []
    for state in (State.SEARCHING, State.COMPLETED, State.EXPIRED):
        ledger.move(made, state)
        states.append(made.state)
    assert states == [State.RUNNING, State.COMPLETED, State.COMPLETED]
    assert (ledger.filled, ledger.running, ledger.unsettled) == (1, 0, 0)


def test_a_truck_given_to_two_drivers_is_a_failure() -> None:
    ledger = Ledger()
    first = ledger.won_by("order", "a", "truck")
    assert ledger.won_by("order", "a", "truck") is first
    assert not ledger.failures
    ledger.won_by("order", "b", "truck")
    assert ledger.failures == {"a truck was given to two drivers": 1}
    assert ledger.won["order"].driver_id == "a"


def test_a_confirmed_driver_counts_as_unsent_until_the_customer_was_notified() -> None:
    ledger = Ledger()
    made = order(ledger, 2, State.SEARCHING)
    assert ledger.untold() == 0
    won = ledger.won_by("order-2", "a", "truck")
    ledger.won_by("somebody else's", "b", "truck")
    assert ledger.untold() == 1
    made.told_driver = "a"
    assert ledger.untold() == 0
    won.agreed = "at_pickup"
    assert ledger.untold() == 1
    made.told_trip = "in_transit"
    assert ledger.untold() == 0


def reported(
    ledger: Ledger,
    verified: list[Disagreement] | None,
    bad: BadRows,
    shares: Shares | None,
    fits: float | None = None,
) -> table.Report:
    numbers = figures(ledger)
    return table.Report("17:00 to 18:00", 60.0, 75.0, 9, 3, numbers, ledger, [bad], verified, shares, fits)


def shown(
    ledger: Ledger,
    verified: list[Disagreement] | None,
    bad: BadRows,
    shares: Shares | None = EQUAL,
) -> str:
    out = StringIO()
    table.show(Console(file=out, width=120), reported(ledger, verified, bad, shares))
    return out.getvalue()


def test_the_table_says_what_was_done(ledger: Ledger) -> None:
    text = shown(ledger, [], BadRows("trips.csv"))
    for row in (
        "recorded trips                4 posted, of 9 in the file",
        "orders posted                 4",
        "  placed                      3",
        "  filled                      2 (1 completed, 1 still running)",
        "  refused                     1 RATE_LIMIT_EXCEEDED",
        "filled with a driver in 5 km  66.7% (2 of 3)",
        "filled: system                50.0% (2 of 4)",
        "filled: greedy                50.0% (2 of 4)",
        "filled: difference            +0.0 points, at least -3 expected",
        "POST to first offer           p50 250 ms, p95 500 ms, p99 500 ms",
        "compared afterwards           4 orders with what the sockets received: 0 disagreements",
    ):
        assert row in text


def test_the_table_names_bad_lines_failures_and_disagreements(ledger: Ledger) -> None:
    bad = BadRows("trips.csv")
    for line in range(2, 14):
        bad.add(line, "duration_s is empty")
    ledger.failed("accept: NOT_OFFERED")
    text = shown(ledger, [Disagreement(3, "order-3", "it is [active]")], bad)
    assert "trips.csv, line 2: duration_s is empty\n" in text
    assert "trips.csv: 2 more bad lines\n" in text
    assert "failed 1 times: accept: NOT_OFFERED\n" in text
    assert "trip of line 3, order order-3: it is [active]\n" in text


def test_a_replay_that_ended_early_says_that_nothing_was_compared(ledger: Ledger) -> None:
    text = shown(ledger, None, BadRows("trips.csv"), None)
    assert "compared afterwards           no, ended early" in text
    assert "filled: greedy                not simulated, ended early" in text


def test_a_system_that_fills_too_little_is_a_failed_replay(ledger: Ledger) -> None:
    bad, behind = BadRows("trips.csv"), Shares(orders=4, system=2, greedy=3)
    text = shown(ledger, [], bad, behind)
    assert "filled: difference            -25.0 points, at least -3 expected" in text
    assert "the system filled more than 3 points less than the greedy dispatcher" in text
    assert session.status(reported(ledger, [], bad, behind)) == session.FAILED
    assert session.status(reported(ledger, [], bad, EQUAL)) == session.OK
    assert "the greedy dispatcher" not in shown(ledger, [], bad)


def test_a_replay_beyond_the_drivers_answers_names_a_speed_that_fits(ledger: Ledger) -> None:
    out, behind = StringIO(), Shares(orders=4, system=2, greedy=3)
    table.show(Console(file=out, width=120), reported(ledger, [], BadRows("trips.csv"), behind, fits=20.0))
    assert "60 times is beyond what the drivers' answers allow" in out.getvalue()
    assert "an answer of 4 s is 4.0 minutes of this recording; SPEED=20 fits\n" in out.getvalue()


def test_a_share_of_no_orders_is_no_number() -> None:
    text = shown(Ledger(), [], BadRows("trips.csv"), Shares(0, 0, 0))
    assert "filled: system                no orders" in text
    assert "filled: greedy                no orders" in text


def test_the_orders_are_written_one_a_row(ledger: Ledger, tmp_path: Path) -> None:
    table.write_orders(tmp_path / "orders.csv", ledger)
    rows = (tmp_path / "orders.csv").read_text().splitlines()
    assert rows[0] == ",".join(table.COLUMNS)
    assert rows[1] == "2,customer-2,order-2,completed,,,1,50.0,0"
    assert len(rows) == 5


@pytest.mark.parametrize("samples", [0, 1, 3])
def test_the_picture_is_drawn_whatever_there_is_to_draw(ledger: Ledger, tmp_path: Path, samples: int) -> None:
    drawn = ledger if samples else Ledger()
    drawn.samples = [Sample(float(n), {State.RUNNING: n}, 3, 1, n) for n in range(samples)]
    here = Place(28.5, 77.3)
    rides = [Ride(Trip(n, 0.0, here, here, 60.0), "a", 60.0 * n, 60.0 * n + 60) for n in range(samples)]
    chart.draw(tmp_path / "replay.png", drawn, Clock(0.0, 60.0), rides, "title")
    assert (tmp_path / "replay.png").read_bytes().startswith(b"\x89PNG")
