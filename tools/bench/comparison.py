"""Two versions side by side: medians, their ratio with its range over the rounds, and the limits."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# The values of one version by the name of the figure, one for each round.
Values = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Limit:
    """How far a ratio may go: at least or at most ``bound``."""

    bound: float
    at_least: bool = False

    def holds(self, ratio: float) -> bool:
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"


@dataclass(frozen=True)
class Line:
    """One figure of both versions. ``ratio`` is that of the medians, ``low`` and ``high`` the least and the
    greatest of the rounds.
    """

    name: str
    reference: float
    ours: float
    ratio: float
    low: float
    high: float
    limit: Limit | None = None

    @property
    def holds(self) -> bool:
        return self.limit is None or self.limit.holds(self.ratio)


def compared(reference: Values, ours: Values, limits: Mapping[str, Limit]) -> list[Line]:
    """A line for each figure, first those that have a limit."""
    lines = []
    for name, values in reference.items():
        ratios = [_ratio(mine, theirs) for mine, theirs in zip(ours[name], values, strict=True)]
        medians = statistics.median(values), statistics.median(ours[name])
        ratio = _ratio(medians[1], medians[0])
        lines.append(Line(name, *medians, ratio, min(ratios), max(ratios), limits.get(name)))
    return sorted(lines, key=lambda line: line.limit is None)


def table(lines: Sequence[Line]) -> str:
    """The lines for reading."""
    rows = [("figure", "reference", "ours", "ratio (range)", "limit")]
    for line in lines:
        limit = f"{line.limit}: {'holds' if line.holds else 'DOES NOT HOLD'}" if line.limit else ""
        ratio = f"{line.ratio:.2f} ({line.low:.2f} to {line.high:.2f})"
        rows.append((line.name, _short(line.reference), _short(line.ours), ratio, limit))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _ratio(ours: float, reference: float) -> float:
    return ours / reference if reference else float("inf") if ours else 1.0


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
