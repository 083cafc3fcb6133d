"""The picture of a replay: orders, drivers, waiting times and offers, over recorded time."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from tools.replay.clock import Clock
from tools.replay.figures import answered_s, first_offer_s
from tools.replay.greedy import Ride
from tools.replay.ledger import Ledger, Order, Sample, State

# Told apart by people with any colour vision (Okabe and Ito, 2008).
BLUE, SKY, GREEN, ORANGE, RED, GREY = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#999999"
OUTCOMES: tuple[tuple[str, tuple[State, ...], str], ...] = (
    ("completed", (State.COMPLETED,), GREEN),
    ("running", (State.RUNNING,), SKY),
    ("searching", (State.POSTED, State.QUEUED, State.SEARCHING), ORANGE),
    ("expired", (State.EXPIRED, State.CANCELLED), RED),
    ("refused", (State.REFUSED, State.REJECTED, State.UNANSWERED), GREY),
)
# The line through the waiting times is the median of this many parts of the time shown.
PARTS = 60


def draw(path: Path, ledger: Ledger, clock: Clock, rides: Sequence[Ride], title: str) -> None:
    """Writes the picture as PNG; ``rides`` are what the greedy dispatcher made of the same orders."""
    mpl.use("Agg")
    figure = Figure(figsize=(11, 13), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=13)
    orders, drivers, waiting, offers = figure.subplots(4, 1, sharex=True, height_ratios=(3, 2, 3, 2))
    moments = [_date(clock.begins + sample.elapsed * clock.speed) for sample in ledger.samples]
    _draw_orders(orders, moments, ledger.samples)
    _draw_greedy(orders, rides)
    _draw_drivers(drivers, moments, ledger.samples)
    _draw_waiting(waiting, ledger, clock)
    _draw_offers(offers, moments, ledger.samples)
    last = _date(clock.at(ledger.orders[-1].posted_at)) if ledger.orders else None
    for axes in (orders, drivers, waiting, offers):
        _dress(axes, last)
    _time_axis(offers)
    figure.savefig(path)


def _date(moment: float) -> float:
    return moment / 86400  # matplotlib counts days since 1970, in UTC


def _dress(axes: Axes, last: float | None) -> None:
    if last is not None:
        axes.axvline(last, color="black", lw=0.8, ls=":", label="last order posted")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
    axes.margins(x=0)


def _time_axis(axes: Axes) -> None:
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlabel("recorded time (UTC)")


def _draw_orders(axes: Axes, moments: Sequence[float], samples: Sequence[Sample]) -> None:
    series = [[sum(s.states.get(state, 0) for state in states) for s in samples] for _, states, _ in OUTCOMES]
    names, _, colours = zip(*OUTCOMES, strict=True)
    axes.stackplot(moments, series, labels=names, colors=colours)
    axes.set_title("Orders posted so far, by how they stand", loc="left", fontsize=10)
    axes.set_ylabel("orders")


def _draw_greedy(axes: Axes, rides: Sequence[Ride]) -> None:
    if rides:
        given, filled = [_date(ride.given_at) for ride in rides], range(1, len(rides) + 1)
        axes.step(given, filled, "k--", where="post", lw=1.0, label="filled by the\ngreedy dispatcher")


def _draw_drivers(axes: Axes, moments: Sequence[float], samples: Sequence[Sample]) -> None:
    axes.plot(moments, [s.online for s in samples], color=BLUE, label="online")
    axes.fill_between(moments, [s.busy for s in samples], color=SKY, label="with a trip")
    axes.set_title("Drivers", loc="left", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("drivers")


def _draw_waiting(axes: Axes, ledger: Ledger, clock: Clock) -> None:
    _draw_times(axes, ledger.orders, clock, answered_s, BLUE, "POST to 201")
    _draw_times(
        axes, ledger.orders, clock, lambda order: first_offer_s(ledger, order), ORANGE, "POST to first offer"
    )
    if axes.dataLim.minposy < float("inf"):
        axes.set_yscale("log")
    axes.set_title(
        "Waiting times by the moment of posting (dots: orders, lines: medians)", loc="left", fontsize=10
    )
    axes.set_ylabel("milliseconds")


def _draw_times(
    axes: Axes,
    orders: Iterable[Order],
    clock: Clock,
    seconds: Callable[[Order], float | None],
    colour: str,
    label: str,
) -> None:
    found = [(clock.at(o.posted_at), 1000 * s) for o in orders if (s := seconds(o)) is not None and s > 0]
    axes.scatter([_date(at) for at, _ in found], [ms for _, ms in found], s=5, alpha=0.35, color=colour, lw=0)
    middle = _medians(found)
    axes.plot([_date(at) for at, _ in middle], [ms for _, ms in middle], color=colour, label=label)


def _medians(found: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if not found:
        return []
    first, last = min(found)[0], max(found)[0]
    width = (last - first) / PARTS or 1.0
    parts: dict[int, list[float]] = {}
    for at, value in found:
        parts.setdefault(int((at - first) / width), []).append(value)
    return [(first + (part + 0.5) * width, median(values)) for part, values in sorted(parts.items())]


def _draw_offers(axes: Axes, moments: Sequence[float], samples: Sequence[Sample]) -> None:
    pairs = list(pairwise(samples))
    rates = [(b.offers - a.offers) / max(b.elapsed - a.elapsed, 1e-9) for a, b in pairs]
    axes.step(moments[1:], rates, where="pre", color=GREEN, label="offers heard")
    axes.set_title("Offers that reached a driver's socket, in a real second", loc="left", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("offers / s")
