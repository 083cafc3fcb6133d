"""The table at the end: what was done, for people; and the orders one by one, for other programs."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.replay.figures import Figures, Spread
from tools.replay.greedy import TOLERANCE, Shares
from tools.replay.ledger import Ledger, Order
from tools.replay.pace import ANSWER_S
from tools.replay.reading import BadRows
from tools.replay.verifying import Disagreement

SHOWN_BAD_LINES = 10
SHOWN_DISAGREEMENTS = 20

COLUMNS = ("line", "customer_id", "order_id", "state", "code", "driver_id", "driver_near", "post_ms", "tries")


@dataclass(frozen=True)
class Report:
    """Everything the table shows. ``verified`` and ``shares`` are None when nothing was compared.

    ``fits`` is the speed to try where this one was beyond what the drivers' answers allow.
    """

    window: str
    speed: float
    seconds: float
    trips_in_file: int
    cabs: int
    figures: Figures
    ledger: Ledger
    bad: Sequence[BadRows]
    verified: Sequence[Disagreement] | None
    shares: Shares | None
    fits: float | None = None


def show(console: Console, report: Report) -> None:
    """Prints the table, and below it what is not as it should be."""
    table = Table(title="Replay", title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    for name, value in _rows(report):
        table.add_row(name, escape(value))
    console.print(table)
    for line in _complaints(report):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _rows(report: Report) -> Iterable[tuple[str, str]]:
    numbers, ledger = report.figures, report.ledger
    yield "recorded time", f"{report.window} UTC, {report.speed:g} times as fast ({report.seconds:.0f} s)"
    yield "recorded trips", f"{numbers.posted} posted, of {report.trips_in_file} in the file"
    yield "drivers online", f"{ledger.most_online} at most, of {report.cabs} cabs"
    yield from _order_rows(numbers)
    yield from _share_rows(report.shares)
    yield (
        "offers an order",
        f"{_mean(ledger.offers_heard, numbers.placed)} on average, {_spread(numbers.offers)}",
    )
    yield "POST to 201", _spread(numbers.answered, " ms")
    yield "POST to first offer", _spread(numbers.first_offer, " ms")
    yield "POST to truck confirmed", _spread(numbers.confirmed, " ms")
    yield "accepts", _counts(ledger.accepts)
    yield "drivers' sockets", _counts(ledger.driver_sockets)
    yield "customers' sockets", _counts(ledger.customer_sockets)
    if ledger.socket_errors:
        yield "errors on sockets", _counts(ledger.socket_errors)
    yield "replay itself", f"posted late by {_spread(numbers.late, ' ms')}"
    for bad in report.bad:
        yield f"bad lines in {bad.file}", str(bad.count)
    yield "compared afterwards", _verdict(report)


def _order_rows(numbers: Figures) -> Iterable[tuple[str, str]]:
    yield "orders posted", str(numbers.posted)
    yield (
        "  placed",
        f"{numbers.placed}" + (f" ({numbers.queued_first} by 202)" if numbers.queued_first else ""),
    )
    yield "  filled", f"{numbers.filled} ({numbers.completed} completed, {numbers.running} still running)"
    yield "  expired", str(numbers.expired)
    if numbers.cancelled:
        yield "  cancelled", str(numbers.cancelled)
    yield "  refused", _counts(Counter(numbers.refused)) or "0"
    if numbers.unsettled:
        yield "  not settled", str(numbers.unsettled)
    yield "filled with a driver in 5 km", _share(numbers.near_filled, numbers.near)


def _share_rows(shares: Shares | None) -> Iterable[tuple[str, str]]:
    if shares is None:
        yield "filled: greedy", "not simulated, ended early"
        return
    yield "filled: system", _share(shares.system, shares.orders)
    yield "filled: greedy", _share(shares.greedy, shares.orders)
    yield "filled: difference", f"{shares.points:+.1f} points, at least -{TOLERANCE} expected"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%} ({part} of {whole})" if whole else "no orders"


def _verdict(report: Report) -> str:
    if report.verified is None:
        return "no, ended early"
    orders = sum(bool(order.order_id) for order in report.ledger.orders)
    return f"{orders} orders with what the sockets received: {len(report.verified)} disagreements"


def _complaints(report: Report) -> Iterable[str]:
    for bad in report.bad:
        for line, reason in bad.first[:SHOWN_BAD_LINES]:
            yield f"{bad.file}, line {line}: {reason}"
        if bad.count > SHOWN_BAD_LINES:
            yield f"{bad.file}: {bad.count - SHOWN_BAD_LINES} more bad lines"
    for what, count in report.ledger.failures.most_common():
        yield f"failed {count} times: {what}"
    if report.shares and report.shares.behind:
        yield f"the system filled more than {TOLERANCE} points less than the greedy dispatcher"
    if report.fits:
        minutes = ANSWER_S * report.speed / 60
        yield (
            f"{report.speed:g} times is beyond what the drivers' answers allow: they and the waves take real"
            f" time, an answer of {ANSWER_S:g} s is {minutes:.1f} minutes of this recording;"
            f" SPEED={report.fits:g} fits"
        )
    found = report.verified or ()
    for disagreement in found[:SHOWN_DISAGREEMENTS]:
        yield f"trip of line {disagreement.line}, order {disagreement.order_id}: {disagreement.what}"
    if len(found) > SHOWN_DISAGREEMENTS:
        yield f"{len(found) - SHOWN_DISAGREEMENTS} more disagreements"


def _spread(values: Spread, unit: str = "") -> str:
    if not values.count:
        return "none"
    return f"p50 {values.p50:.0f}{unit}, p95 {values.p95:.0f}{unit}, p99 {values.p99:.0f}{unit}"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common())


def _mean(total: int, count: int) -> str:
    return f"{total / count:.1f}" if count else "0"


def write_orders(path: Path, ledger: Ledger) -> None:
    """Writes one CSV row for each order posted, in the order of posting."""
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(COLUMNS)
        rows.writerows(_order_row(order) for order in ledger.orders)


def _order_row(order: Order) -> tuple[object, ...]:
    answered = "" if order.answered_at is None else round(1000 * (order.answered_at - order.posted_at), 1)
    return (
        order.line,
        order.customer_id,
        order.order_id,
        order.state,
        order.code,
        order.told_driver,
        int(order.driver_near),
        answered,
        order.tries,
    )
