"""Figures: the median of the rounds with its range, as a table, as JSON and in words."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MILLISECONDS = "ms"


@dataclass(frozen=True)
class Figure:
    """One figure: the value of each round, in their order, and the unit."""

    unit: str
    rounds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def __str__(self) -> str:
        low, high = min(self.rounds), max(self.rounds)
        return f"{_short(self.median)} ({_short(low)} to {_short(high)}) {self.unit}"


@dataclass
class Row:
    """One line of the table: a case under one condition, its figures by name, and anything odd."""

    case: str
    condition: str
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Round:
    """One round's values by name as (value, unit), and what was counted beside them."""

    values: dict[str, tuple[float, str]]
    counts: dict[str, Any] = field(default_factory=dict)


def row(case: str, condition: str, rounds: Sequence[Round]) -> Row:
    """Rounds of the same thing as one line; counts are listed round by round."""
    names = rounds[0].values
    figures = {
        name: Figure(unit, [done.values[name][0] for done in rounds]) for name, (_, unit) in names.items()
    }
    return Row(
        case, condition, figures, {name: [done.counts[name] for done in rounds] for name in rounds[0].counts}
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def latencies(name: str, seconds: Sequence[float]) -> dict[str, tuple[float, str]]:
    """p50 and p99 in milliseconds."""
    return {
        f"{name} p{round(100 * share)}": (1000 * percentile(seconds, share), MILLISECONDS)
        for share in (0.5, 0.99)
    }


def costs(used: Mapping[str, float], count: int, what: str = "order") -> dict[str, tuple[float, str]]:
    """CPU milliseconds for each of ``count`` by kind of process, and of all servers together."""
    spent = {kind: 1000 * seconds / max(count, 1) for kind, seconds in used.items()}
    servers = sum(value for kind, value in spent.items() if kind != "client")
    return {f"CPU {kind}": (value, f"ms/{what}") for kind, value in (spent | {"servers": servers}).items()}


def table(rows: Sequence[Row]) -> str:
    """The rows for reading, one figure a line."""
    lines = []
    for row in rows:
        lines.append(f"\n{row.case}  {row.condition}")
        lines += [f"    {name:24} {figure}" for name, figure in row.figures.items()]
        lines += [f"    {name:24} {', '.join(map(str, values))}" for name, values in row.notes.items()]
    return "\n".join(lines)


def save(path: Path, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
    """Writes rows and facts of the run as JSON, each figure with its median and its rounds."""
    content = {"facts": dict(facts), "rows": [_plain(row) for row in rows]}
    path.write_text(json.dumps(content, indent=1) + "\n")


def _plain(row: Row) -> dict[str, Any]:
    plain = asdict(row)
    for name, figure in row.figures.items():
        plain["figures"][name]["median"] = figure.median
    return plain


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
