"""The harness in short: shows within minutes whether the main job still holds after a change."""

import secrets
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.fleet import Fleet
from tests.faults.run import SETTINGS, Plan, Report, run
from tests.faults.table import lines

# Each run ends as soon as its kills and orders are reached; a slow machine takes longer.
SHORTEST = Plan(secrets.randbelow(10**6), kills=12, orders=400, seconds=25, customers=60, unacked_seconds=0)
SHORT = Plan(secrets.randbelow(10**6), kills=60, orders=3000, seconds=120)
KINDS = 6


def reported(plan: Plan, directory: Path) -> Report:
    fleet = Fleet(ROOT, directory, **SETTINGS)
    try:
        fleet.start()
        report = run(plan, fleet)
    finally:
        fleet.stop()
    print("\n".join(lines(report)))
    assert report.kills >= plan.kills
    return report


@pytest.mark.timeout(240)
def test_a_dozen_kills_lose_and_double_no_accepted_order(tmp_path: Path) -> None:
    """Other tests run beside it, so that times (how soon something recovers) are left to the longer one."""
    verdict = reported(SHORTEST, tmp_path).verdict
    assert (verdict.lost, verdict.doubled) == (0, 0), verdict.examples


@pytest.mark.long
@pytest.mark.timeout(400)
def test_no_accepted_order_is_lost_or_doubled_whatever_dies(tmp_path: Path) -> None:
    report = reported(SHORT, tmp_path)
    assert report.verdict.passed, report.verdict.examples
    assert len(report.field.incidents.kills) >= KINDS
