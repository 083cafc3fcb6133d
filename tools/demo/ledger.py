"""What happened in the city, counted; the progress line and the closing table."""

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Ledger:
    """Counts of one run. ``ended`` counts orders by how they ended."""

    posted: int = 0
    placed: int = 0
    queued_first: int = 0
    searching: int = 0
    under_way: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    trucks_won: int = 0
    offers: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    first_offer_s: list[float] = field(default_factory=list)
    first_truck_s: list[float] = field(default_factory=list)
    # Orders whose first offer arrived, by when (monotonic clock); taken out as they end.
    heard: dict[str, float] = field(default_factory=dict)

    def offered(self, order_id: str, now: float) -> None:
        """A driver got an offer of an order."""
        self.offers += 1
        self.heard.setdefault(order_id, now)

    @property
    def filled(self) -> int:
        """Orders that have got all of their trucks."""
        return self.under_way + self.ended["completed"]

    def figures(self) -> dict[str, Any]:
        """The same as plain numbers, to be read while it runs."""
        return {
            "orders": self.posted,
            "searching": self.searching,
            "underWay": self.under_way,
            "filled": self.filled,
            "partlyFilled": self.ended["partly filled"],
            "expired": self.ended["expired"],
            "cancelled": self.ended["cancelled"],
            "refused": sum(self.refused.values()),
            "medianFirstOfferMs": _milliseconds(self.first_offer_s),
        }


def clock(hour: float) -> str:
    """An hour of the day as people write it."""
    minutes = int(hour * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def progress(ledger: Ledger, hour: float, online: int, busy: int) -> str:
    """One line about now."""
    return (
        f"{clock(hour)}  orders {ledger.posted}, searching {ledger.searching},"
        f" under way {ledger.under_way}, completed {ledger.ended['completed']},"
        f" expired {ledger.ended['expired']}; drivers {online}, with a trip {busy}"
    )


def table(ledger: Ledger) -> str:
    """What it all came to."""
    rows = {
        "orders": str(ledger.posted),
        "filled": str(ledger.filled),
        "partly filled": str(ledger.ended["partly filled"]),
        "expired": str(ledger.ended["expired"]),
        "cancelled": str(ledger.ended["cancelled"]),
        "refused": _counted(ledger.refused),
        "trucks won": str(ledger.trucks_won),
        "offers heard": str(ledger.offers),
        "median time to first offer": _median(ledger.first_offer_s),
        "median time to first truck": _median(ledger.first_truck_s),
        "failures": _counted(ledger.failures),
    }
    return "\n".join(f"{name:28}{value}" for name, value in rows.items())


def _counted(counts: Counter[str]) -> str:
    total = sum(counts.values())
    return f"{total} ({', '.join(f'{name} {count}' for name, count in counts.items())})" if total else "0"


def _milliseconds(seconds: list[float]) -> int | None:
    return round(statistics.median(seconds) * 1000) if seconds else None


def _median(seconds: list[float]) -> str:
    value = _milliseconds(seconds)
    return "-" if value is None else f"{value} ms"
