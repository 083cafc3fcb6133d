"""The harness in short: whoever changes the main job hears within minutes whether it still holds."""

import secrets
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.fleet import Fleet
from tests.faults.run import SETTINGS, Plan, run
from tests.faults.table import lines

KILLS, ORDERS = 60, 3000
# The run ends as soon as both are reached; a slow machine takes longer.
SECONDS = 120
KINDS = 6

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


def test_no_accepted_order_is_lost_or_doubled_whatever_dies(tmp_path: Path) -> None:
    plan = Plan(secrets.randbelow(10**6), KILLS, ORDERS, SECONDS)
    fleet = Fleet(ROOT, tmp_path, **SETTINGS)
    try:
        fleet.start()
        report = run(plan, fleet)
    finally:
        fleet.stop()
    print("\n".join(lines(report)))
    assert report.verdict.passed, report.verdict.examples
    assert report.kills >= KILLS
    assert len(report.field.incidents.kills) >= KINDS
