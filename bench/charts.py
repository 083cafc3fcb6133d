"""The plots: rates and waiting times by connections, and where each CPU millisecond goes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures import Row
from replay.chart import BLUE, GREEN, GREY, ORANGE, RED, SKY

KINDS = (
    ("web", BLUE),
    ("worker", ORANGE),
    ("postgres", GREEN),
    ("redis", RED),
    ("flower", GREY),
    ("client", SKY),
)

# The cases whose cost is that of one order, or of its replay.
PLACING = "abcdgh"

Draw = Callable[[Axes, Sequence[Row]], None]


def draw(into: Path, rows: Sequence[Row]) -> list[Path]:
    """Writes the plots that these rows give; their paths."""
    mpl.use("Agg")
    plots: list[tuple[str, list[Row], Draw]] = [
        ("rates", [row for row in rows if row.case == "a"], _rates),
        ("cpu", [row for row in rows if row.case in PLACING and "CPU servers" in row.figures], _cpu),
        ("crowd", [row for row in rows if row.case == "e"], _crowd),
        ("nearest", [row for row in rows if row.case == "f"], _nearest),
        ("growth", [row for row in rows if row.case == "g"], _growth),
    ]
    return [_plot(into / f"{name}.png", chosen, draw_on) for name, chosen, draw_on in plots if chosen]


def _plot(path: Path, rows: Sequence[Row], draw_on: Draw) -> Path:
    figure = Figure(figsize=(9, 5), dpi=110, layout="constrained")
    axes = figure.subplots()
    draw_on(axes, rows)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    return path


def _rates(axes: Axes, rows: Sequence[Row]) -> None:
    """The rate with its range, and beside it p50 and p99 of the answer."""
    names = [row.condition.split()[0] for row in rows]
    rates = [row.figures["rate"] for row in rows]
    low = [rate.median - min(rate.rounds) for rate in rates]
    high = [max(rate.rounds) - rate.median for rate in rates]
    axes.errorbar(names, [rate.median for rate in rates], yerr=[low, high], color=BLUE, marker="o", capsize=4)
    axes.set_xlabel("connections")
    axes.set_ylabel("orders/s", color=BLUE)
    axes.set_ylim(bottom=0)
    times = axes.twinx()
    for share, style in (("p50", "-"), ("p99", "--")):
        values = [row.figures[f"201 {share}"].median for row in rows]
        times.plot(names, values, style, color=ORANGE, marker=".", label=f"POST to 201, {share}")
    times.set_ylabel("ms", color=ORANGE)
    times.set_ylim(bottom=0)
    times.legend(frameon=False, loc="upper left")
    axes.set_title("Orders placed, drivers told", loc="left", fontsize=11)


def _cpu(axes: Axes, rows: Sequence[Row]) -> None:
    """A bar for each row, in parts by kind of process."""
    names = [f"{row.case}: {row.condition}" for row in rows]
    bottom = [0.0] * len(rows)
    for kind, colour in KINDS:
        values = [row.figures[f"CPU {kind}"].median if f"CPU {kind}" in row.figures else 0.0 for row in rows]
        axes.bar(names, values, bottom=bottom, color=colour, label=kind, width=0.6)
        bottom = [below + value for below, value in zip(bottom, values, strict=True)]
    axes.set_ylabel("CPU ms an order (or a replay)")
    axes.tick_params(axis="x", labelrotation=30)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes.set_title("Where each CPU millisecond goes", loc="left", fontsize=11)


def _crowd(axes: Axes, rows: Sequence[Row]) -> None:
    """The lag of a position, alone and beside orders."""
    names = [row.condition for row in rows]
    for name, colour in (("lag p50", SKY), ("lag p99", BLUE), ("lag with (b), p99", ORANGE)):
        axes.plot(names, [row.figures[name].median for row in rows], color=colour, marker="o", label=name)
    axes.set_ylabel("ms until a position is in the index")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.set_title("Connected drivers, a position every 5 s each", loc="left", fontsize=11)


def _nearest(axes: Axes, rows: Sequence[Row]) -> None:
    """Both searches in each cell, on a scale of powers of ten."""
    places = range(len(rows))
    names = (("ours p50", SKY), ("GEOSEARCH p50", ORANGE), ("ours p99", BLUE), ("GEOSEARCH p99", RED))
    for number, (name, colour) in enumerate(names):
        heights = [row.figures[name].median for row in rows]
        axes.bar([at + 0.2 * number for at in places], heights, width=0.2, color=colour, label=name)
    axes.set_xticks([at + 0.3 for at in places], [row.condition for row in rows], rotation=20)
    axes.set_yscale("log")
    axes.set_ylabel("ms")
    axes.legend(frameon=False)
    axes.set_title("The ten nearest, beside Redis' own search", loc="left", fontsize=11)


def _growth(axes: Axes, rows: Sequence[Row]) -> None:
    """p50 of an order and of each sweep, as multiples of what they were without past orders."""
    for kind in ("201", "expire", "waves", "recover", "deliver", "cleanup"):
        chosen = [row for row in rows if f"{kind} p50" in row.figures]
        values = [row.figures[f"{kind} p50"].median for row in chosen]
        names = [row.condition.rpartition(", ")[2] for row in chosen]
        axes.plot(names, [value / values[0] for value in values], marker="o", label=kind)
    axes.set_ylabel("times the first")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.set_title("p50 of POST to 201 at 16 connections, and of the sweeps", loc="left", fontsize=11)
