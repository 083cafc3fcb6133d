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


def draw(into: Path, rows: Sequence[Row]) -> list[Path]:
    """Writes the plots that these rows give; their paths."""
    mpl.use("Agg")
    placing = [row for row in rows if row.case == "a"]
    drawn = []
    if placing:
        drawn.append(_plot(into / "rates.png", placing, _rates))
    costly = [row for row in rows if "CPU servers" in row.figures and row.case in "abc"]
    if costly:
        drawn.append(_plot(into / "cpu.png", costly, _cpu))
    return drawn


def _plot(path: Path, rows: Sequence[Row], draw_on: Callable[[Axes, Sequence[Row]], None]) -> Path:
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
        axes.bar(names, values, bottom=bottom, color=colour, label=kind)
        bottom = [below + value for below, value in zip(bottom, values, strict=True)]
    axes.set_ylabel("CPU ms an order (or a replay)")
    axes.tick_params(axis="x", labelrotation=20)
    axes.legend(frameon=False)
    axes.set_title("Where each CPU millisecond goes", loc="left", fontsize=11)
