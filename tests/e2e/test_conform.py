"""A thousand requests drawn from `/openapi.json`; `make conform` sends twenty thousand."""

import os
from functools import partial
from pathlib import Path

import pytest

from tests.conform.run import Pass, Target, lines, run
from tests.system import System

# Every place of every request once right and once wrong, the links, and two drawn at random a route.
SHORT = (Pass("own routes", "", 2, ("--exclude-tag", "Documents")),)


# Twenty seconds of processor time, which a busy machine takes longer to give.
@pytest.mark.long
@pytest.mark.timeout(240)
def test_every_answer_to_a_drawn_request_is_as_documented(system: System, tmp_path: Path) -> None:
    with system.beside("conform", ORDERS_PER_MINUTE="0") as url:
        environment = {**os.environ, **system.environment}
        target = Target(url, environment, partial(system.log, "conform"), tmp_path)
        figures = run(target, SHORT, 1, 1, print)
    print("\n".join(lines(figures)))
    assert figures.problems == []
    assert all(figures.requests[role] > 100 for role in ("customer", "driver", "ops"))
    made = ("POST /api/v1/orders", 201), ("POST /api/v1/orders/{orderId}/cancel", 200)
    assert all(figures.routes[route] for route in made)
