"""`make bench-against REF=<commit>`: this commit and another, in turn in one run, and the ratios of both.

Each runs from a clone of its own; the load client is that of this tree. Only one of them runs at a time.
"""

import argparse
import gc
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tools.bench import open_loop
from tools.bench.checkout import Checkout, commit_of
from tools.bench.city import City
from tools.bench.comparison import Limit, compared, table
from tools.bench.loop import Loop
from tools.bench.profile import Process, picture

CASES = ("cost", "capacity")
RATES = (25, 50, 100, 200)
CAPACITY = "capacity, orders/s"
LIMITS = {
    CAPACITY: Limit(0.9, at_least=True),
    **{f"cost at {rate}/s, CPU-ms": Limit(1.15) for rate in RATES},
    "first offer p99 at 100/s, ms": Limit(1.15),
}
# Uncounted: whatever a process does once.
WARM_UP_RATE, WARM_UP_SECONDS = 100.0, 4.0


@dataclass(frozen=True)
class Plan:
    """What is measured: how many rounds of which cases, and how long each step of a case is measured."""

    cases: tuple[str, ...]
    rates: tuple[int, ...]
    rounds: int
    cost_seconds: float = 10.0
    capacity_seconds: float = 5.0


@dataclass
class Side:
    """One version: its values by figure, one for each round, and everything else that was seen."""

    name: str
    checkout: Checkout
    values: dict[str, list[float]] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)


def measure(side: Side, plan: Plan, number: int, first_rate: float, say: Callable[[str], None]) -> None:
    """One round of one version, from its start to its end; ``first_rate`` is where the search for
    its capacity begins.
    """
    if not side.checkout.installed:
        say(f"{side.name}: installing the packages first, about a minute")
    side.checkout.start()
    loop = Loop()
    try:
        city = City(side.checkout, loop, seed=number)
        city.wait_until_ready()
        open_loop.step(city, WARM_UP_RATE, WARM_UP_SECONDS)
        seen: dict[str, Any] = {}
        if "cost" in plan.cases:
            seen["cost"] = [_cost(side, city, rate, plan.cost_seconds, say) for rate in plan.rates]
        if "capacity" in plan.cases:
            seen["capacity"] = _capacity(side, city, plan.capacity_seconds, first_rate, say)
        side.rounds.append(seen)
    finally:
        loop.close()
        side.checkout.stop()


def _cost(side: Side, city: City, rate: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    found = open_loop.step(city, rate, seconds).round()
    values = {name: value for name, (value, _) in found.values.items()}
    side.add(f"cost at {rate}/s, CPU-ms", values["CPU servers"])
    for name in ("201 p50", "201 p99", "first offer p50", "first offer p99"):
        side.add(f"{name} at {rate}/s, ms", values[name])
    for name in values:
        if name.startswith("CPU ") and name not in ("CPU servers", "CPU client"):
            side.add(f"cost at {rate}/s of {name[4:]}, CPU-ms", values[name])
    say(
        f"{side.name}: {rate}/s costs {values['CPU servers']:.2f} CPU-ms an order, "
        f"first offer p99 {values['first offer p99']:.0f} ms, {found.counts}"
    )
    return {"rate": rate, "values": values, "counts": found.counts}


def _capacity(
    side: Side, city: City, seconds: float, first_rate: float, say: Callable[[str], None]
) -> dict[str, Any]:
    found, steps = open_loop.capacity(city, seconds, first_rate, lambda text: say(f"{side.name}: {text}"))
    side.add(CAPACITY, found)
    say(f"{side.name}: capacity {found:.0f} orders/s")
    return {"capacity": found, "steps": steps}


def near(side: Side, other: Side) -> float:
    """The rate at which a version's search for its capacity begins: what it, or else the other, had last."""
    known = [*other.values.get(CAPACITY, []), *side.values.get(CAPACITY, [])]
    return next((rate for rate in reversed(known) if rate), open_loop.FIRST_RATE)


def in_turn(reference: Side, ours: Side, number: int) -> tuple[Side, Side]:
    """Who goes first: A B, B A, A B, so that neither always comes after the other."""
    return (reference, ours) if number % 2 else (ours, reference)


@contextmanager
def checked_out(reference: str) -> Iterator[tuple[Side, Side]]:
    """Clones of another commit and of this tree's, for the time of the block; logs stay if anything fails."""
    directory = Path(tempfile.mkdtemp(prefix="weelo-against-"))
    # Postgres belongs to another account if we are root.
    directory.chmod(0o711)
    commits = {"reference": commit_of(reference), "ours": commit_of("HEAD")}
    sides = [
        Side(name, Checkout(commit, directory / name, open_loop.TTL_SECONDS))
        for name, commit in commits.items()
    ]
    try:
        yield sides[0], sides[1]
    except BaseException:
        print(f"logs in {directory}", file=sys.stderr)
        raise
    subprocess.run(["rm", "-rf", str(directory)], check=True)


def arguments() -> argparse.Namespace:
    """What the command line wants."""
    parser = argparse.ArgumentParser(prog="make bench-against", description=__doc__)
    add = parser.add_argument
    add("--ref", required=True, help="the commit to compare with")
    add("--rounds", type=int, default=5, help="rounds of each version (%(default)s)")
    add("--cases", type=_cases, default=CASES, help="capacity, cost or both: capacity,cost")
    add(
        "--rates",
        type=_numbers,
        default=RATES,
        help="arrivals/s at which the cost is measured, as in 100,200",
    )
    add("--quick", action="store_true", help="a look at one round with short steps, about three minutes")
    add("--json", type=Path, help="write every round here, as in tools/bench/results/name.json")
    add("--svg", type=Path, help="draw the cost by process here")
    return parser.parse_args()


def main() -> int:
    """Measures, prints the table, and says whether every limit holds."""
    wanted = arguments()
    plan = Plan(wanted.cases, wanted.rates, wanted.rounds)
    if wanted.quick:
        plan = Plan(wanted.cases, wanted.rates, 1, cost_seconds=5.0, capacity_seconds=3.0)
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {text}", flush=True)

    if subprocess.run(["git", "diff", "--quiet", "HEAD"], check=False).returncode:
        say("there are changes that are not committed: they are not measured")
    gc.disable()
    with checked_out(wanted.ref) as (reference, ours):
        for number in range(1, plan.rounds + 1):
            say(f"round {number} of {plan.rounds}")
            first, second = in_turn(reference, ours, number)
            measure(first, plan, number, near(first, second), say)
            measure(second, plan, number, near(second, first), say)
    lines = compared(reference.values, ours.values, LIMITS)
    print(f"\nreference {reference.checkout.commit[:10]}, ours {ours.checkout.commit[:10]}")
    print(f"medians of {plan.rounds} rounds in turn\n\n{table(lines)}")
    if wanted.svg:
        sides = (reference, ours)
        processes = [_processes(side, rate) for rate in plan.rates for side in sides]
        wanted.svg.write_text(picture(processes, "CPU-ms an order by process, medians"))
    if wanted.json:
        wanted.json.parent.mkdir(parents=True, exist_ok=True)
        wanted.json.write_text(json.dumps(_plain(reference, ours), indent=1) + "\n")
    return 0 if all(line.holds for line in lines) else 1


def _processes(side: Side, rate: int) -> Process:
    """The cost at this rate as one bar of the picture, a piece for each kind of process."""
    begin, end = f"cost at {rate}/s of ", ", CPU-ms"
    parts = {name[len(begin) : -len(end)]: values for name, values in side.values.items() if begin in name}
    ordered = sorted(((kind, median(values)) for kind, values in parts.items()), key=lambda part: -part[1])
    return Process(f"{side.checkout.commit[:7]} {rate}/s", dict(ordered))


def _plain(reference: Side, ours: Side) -> dict[str, Any]:
    about = {
        "commit": ours.checkout.commit,
        "against": reference.checkout.commit,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": shlex.join(["python", "-m", "tools.bench.against", *sys.argv[1:]]),
        "cores": os.cpu_count(),
    }
    return about | {side.name: {"values": side.values, "rounds": side.rounds} for side in (reference, ours)}


def _cases(text: str) -> tuple[str, ...]:
    chosen = tuple(text.replace(" ", "").split(","))
    if set(chosen) - set(CASES):
        raise argparse.ArgumentTypeError(f"of {', '.join(CASES)}")
    return chosen


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
