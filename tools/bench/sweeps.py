"""How long each sweep takes when nothing is due: `python -m tools.bench.sweeps N` prints JSON, in seconds.

It runs in the environment of the system, beside its own sweeps.
"""

import json
import sys
import time
from collections.abc import Callable

from tasks import sweeps

SWEEPS: dict[str, Callable[[], object]] = {**sweeps.EACH_SECOND, "cleanup": sweeps.cleanup}


def main() -> None:
    """Each sweep so many times, after one that opens the connections."""
    took: dict[str, list[float]] = {name: [] for name in SWEEPS}
    for turn in range(int(sys.argv[1]) + 1):
        for name, sweep in SWEEPS.items():
            begun = time.perf_counter()
            sweep()
            if turn:
                took[name].append(time.perf_counter() - begun)
    print(json.dumps(took))


if __name__ == "__main__":
    main()
