"""Schemathesis against one web process, pass after pass, until so many requests have been answered."""

import itertools
import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from tests.conform.company import Company
from tests.conftest import ROOT
from tests.fuzz.run import HARM

PROGRESS_SECONDS = 5.0
CONFIG = Path(__file__).with_name("schemathesis.toml")
# Its exit code when every check has passed; whatever else it says is a problem.
PASSED = 0


@dataclass(frozen=True)
class Pass:
    """One run of Schemathesis: who asks (``role``, or each route's own), how often each route is asked
    in each phase, and further words of its command line.
    """

    name: str
    role: str
    examples: int
    extra: tuple[str, ...] = ()


# Each role asks its own routes and is led from one to the next by the links of all; then one role alone
# asks everything, also what it may not.
PASSES = (
    Pass("own routes", "", 100),
    Pass("customer", "customer", 25),
    Pass("driver", "driver", 25),
    Pass("ops", "ops", 25),
)


@dataclass
class Figures:
    """What was asked and answered, by role."""

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    routes: Counter[tuple[str, int]] = field(default_factory=Counter)
    passes: list[str] = field(default_factory=list)
    offered: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """A web process, the environment in which tokens for it are made, its log, and room for reports."""

    url: str
    environment: Mapping[str, str]
    log: Callable[[], str]
    directory: Path


def run(
    target: Target, plan: tuple[Pass, ...], seed: int, requests: int, say: Callable[[str], None]
) -> Figures:
    """Goes through the plan again and again, with another seed each time, until there are ``requests``;
    ``problems`` is empty if every answer was as documented.
    """
    figures = Figures()
    # A line for each request of the company would drown the progress.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    company = Company(target.url, "conform")
    company.start()
    try:
        for number, planned in enumerate(itertools.cycle(plan)):
            if number >= len(plan) and (figures.requests.total() >= requests or figures.problems):
                break
            once(target, planned, seed + number, figures, say)
    finally:
        company.end()
    figures.offered = company.offered
    figures.problems += company.problems
    figures.problems += sorted(set(HARM.findall(target.log())))
    return figures


def once(target: Target, wanted: Pass, seed: int, figures: Figures, say: Callable[[str], None]) -> None:
    """One pass, and its requests added to the figures."""
    name = f"{wanted.name.replace(' ', '-')}-{seed}"
    tally, output = target.directory / f"{name}.tally", target.directory / f"{name}.txt"
    environment = {
        **target.environment,
        "SCHEMATHESIS_HOOKS": "tests.conform.hooks",
        "CONFORM_NAME": "conform",
        "CONFORM_ROLE": wanted.role,
        "CONFORM_TALLY": str(tally),
    }
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(CONFIG), "run"]
    command += [f"{target.url}/openapi.json", "--max-examples", str(wanted.examples), "--seed", str(seed)]
    command += ["--continue-on-failure", *wanted.extra]
    begun = time.monotonic()
    with output.open("w") as text:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=text, stderr=subprocess.STDOUT)
        while True:
            try:
                code = process.wait(PROGRESS_SECONDS)
                break
            except subprocess.TimeoutExpired:
                say(f"{wanted.name}: {_lines(tally)} requests")
    _count(tally, figures)
    seconds = time.monotonic() - begun
    figures.passes.append(f"{wanted.name}, seed {seed}: {_lines(tally)} requests in {seconds:.0f} s")
    say(figures.passes[-1])
    if code != PASSED:
        say(output.read_text())
        figures.problems.append(f"{wanted.name}, seed {seed}: see {output}")


def _lines(tally: Path) -> int:
    return tally.read_text().count("\n") if tally.exists() else 0


def _count(tally: Path, figures: Figures) -> None:
    for line in tally.read_text().splitlines() if tally.exists() else ():
        role, status, route = line.split(" ", 2)
        figures.requests[role] += 1
        figures.statuses[role, int(status)] += 1
        figures.routes[route, int(status)] += 1


def lines(figures: Figures) -> list[str]:
    """The figures, to be read: a row for each role, then what was wrong."""
    rows = []
    for role, number in sorted(figures.requests.items()):
        answered = sorted((status, n) for (known, status), n in figures.statuses.items() if known == role)
        rows.append(f"  {role:10}{number:>8}   " + ", ".join(f"{n} x {status}" for status, n in answered))
    asked = {route for route, _ in figures.routes}
    never = asked - {route for route, status in figures.routes if status < HTTPStatus.BAD_REQUEST}
    return [
        f"  {'role':10}{'requests':>8}   answers",
        *rows,
        f"  {'all':10}{figures.requests.total():>8}",
        f"{figures.offered} orders were offered to the driver meanwhile",
        f"of {len(asked)} routes, never did what it was asked: {', '.join(sorted(never)) or 'none'}",
        *(f"problem: {problem}" for problem in figures.problems),
    ]
