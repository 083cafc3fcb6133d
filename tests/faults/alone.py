"""The command of a run against a small system of its own, which nothing is killed of: one of each process."""

import argparse
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.fleet import Fleet

PROCESSES = ("web1", "orders1", "sweeps1", "beat1")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """The figures, to be read, and what was wrong; nothing if all went well."""

    lines: list[str]
    problems: list[str]


Work = Callable[[Fleet, int, int, Say], Outcome]


def main(program: str, text: str | None, counted: str, number: int, work: Work) -> int:
    """Calls ``work`` with the system, the seed and how many (``number`` of ``counted``, if the command
    line says nothing else), prints its figures, and returns 1 if anything was wrong.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=text)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument(f"--{counted}", dest="number", type=int, default=number)
    wanted = parser.parse_args()
    say = partial(print, flush=True)
    directory = Path(tempfile.mkdtemp(prefix=f"weelo-{program.rpartition('.')[2]}-"))
    say(f"seed {wanted.seed}, logs in {directory}")
    fleet = Fleet(ROOT, directory)
    try:
        fleet.start(PROCESSES)
        outcome = work(fleet, wanted.seed, wanted.number, say)
    finally:
        fleet.stop()
    say("\n".join([*outcome.lines, f"seed {wanted.seed}"]))
    if outcome.problems:
        return 1
    fleet.forget()
    return 0
