"""`make conform`: requests drawn from `/openapi.json` by Schemathesis, and every answer held against it.

Customer, driver and operator send requests, for their own and for each other's data; the links of the
document lead from an order to its trip. Other clients around them keep offers coming.
"""

import sys
from functools import partial

from tests.conform.run import PASSES, Target, lines, run
from tests.faults import alone
from tests.faults.fleet import Fleet


def work(fleet: Fleet, seed: int, requests: int, say: alone.Say) -> alone.Outcome:
    """Draws so many requests."""
    url = f"http://127.0.0.1:{fleet.port('web1')}"
    target = Target(url, fleet.environment, partial(fleet.log, "web1"), fleet.directory)
    figures = run(target, PASSES, seed, requests, say)
    return alone.Outcome(lines(figures), figures.problems)


if __name__ == "__main__":
    sys.exit(alone.main("tests.conform", __doc__, "requests", 20_000, work))
