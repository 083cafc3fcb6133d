"""`python -m tools.bench.pieces`: what each clever piece is worth, each taken out alone beside the whole.

In turn in one run: the whole, a copy of the tree without the piece, the whole, and so on. Prints the cost of
an order and the p99 of its first offer with and without each; writes JSON.
"""

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.mutated import mutated
from tools.bench import open_loop
from tools.bench.city import City
from tools.bench.loop import Loop
from tools.bench.site import Site

BATCHING, SWEEPS = "web/admission/batching.py", "tasks/sweeps.py"
# What is replaced in which file, as (file, old text, new text).
PIECES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "group commit": (
        (BATCHING, "MAX_BATCH = 32", "MAX_BATCH = 1"),
        (BATCHING, "MAX_IN_FLIGHT = 2", "MAX_IN_FLIGHT = 16"),
        (BATCHING, "INTERVAL_SECONDS = 0.020", "INTERVAL_SECONDS = 0.0"),
    ),
    "20 ms between batches": ((BATCHING, "INTERVAL_SECONDS = 0.020", "INTERVAL_SECONDS = 0.0"),),
    "prepared statements": (("models/prepared.py", "    prepares = True", "    prepares = False"),),
    "a process for new orders": (("server/roles.py", "    if processes < 2:\n", "    if processes < 99:\n"),),
    "a turn for each client": (("server/fairness.py", "if client is self._last:", "if not client:"),),
    "task events ten times a second": (
        (
            "celeryconfig.py",
            'worker_consumer = "tasks.celery_patches.event_buffer:BufferedEventsConsumer"\n',
            "",
        ),
    ),
    "sweeps spread over their second": (
        (SWEEPS, "if spread and len(due) < BACKLOG:", "if spread and not due:"),
    ),
}
RATES = (100, 200)
# CPU-ms an order and p99 of the first offer (ms), at each rate.
Figures = tuple[float, ...]


def measured(root: Path, seconds: float) -> Figures:
    """The figures of the tree at ``root``."""
    with tempfile.TemporaryDirectory(prefix="weelo-pieces-") as name:
        site = Site(Path(name), open_loop.TTL_SECONDS, root=root)
        loop = Loop()
        try:
            site.begin()
            city = City(site, loop)
            city.wait_until_ready()
            found: list[float] = []
            for rate in RATES:
                values = open_loop.step(city, rate, seconds).round().values
                found += [values["CPU servers"][0], values["first offer p99"][0]]
        finally:
            loop.close()
            site.stop()
    return tuple(found)


def main() -> int:
    """Measures, prints a line for each piece."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.pieces", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each rate (%(default)s)")
    parser.add_argument("--pieces", nargs="*", choices=PIECES, default=list(PIECES))
    parser.add_argument("--json", type=Path, help="write every figure here")
    wanted = parser.parse_args()
    gc.disable()
    begun = time.monotonic()
    wholes: list[Figures] = []
    without: dict[str, Figures] = {}
    for piece in wanted.pieces:
        wholes.append(measured(ROOT, wanted.seconds))
        with tempfile.TemporaryDirectory(prefix="weelo-without-") as name:
            Path(name).chmod(0o711)
            without[piece] = measured(mutated(Path(name) / "tree", *PIECES[piece]), wanted.seconds)
        print(f"{time.monotonic() - begun:5.0f} s  {_line(piece, wholes[-1], without[piece])}", flush=True)
    median = tuple(map(statistics.median, zip(*wholes, strict=True)))
    print("\nbeside the median of the whole:")
    for piece, figures in without.items():
        print(_line(piece, median, figures))
    if wanted.json:
        content = {"columns": _columns(), "whole": wholes, "without": without}
        wanted.json.write_text(json.dumps(content, indent=1) + "\n")
    return 0


def _columns() -> list[str]:
    return [f"{what} at {rate}/s" for rate in RATES for what in ("CPU-ms", "first offer p99, ms")]


def _line(piece: str, whole: Figures, without: Figures) -> str:
    pairs = [f"{here:.4g} -> {gone:.4g}" for here, gone in zip(whole, without, strict=True)]
    told = [f"{column} {pair}" for column, pair in zip(_columns(), pairs, strict=True)]
    return f"{piece:32} {', '.join(told)}"


if __name__ == "__main__":
    sys.exit(main())
