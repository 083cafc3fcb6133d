"""The harness is proven: take away what a promise rests on, and it reports that the promise is broken.

The mutations are made in a copy of the tree, or in the database of the run.
"""

from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from tests.faults.fleet import Fleet
from tests.faults.mutated import mutated
from tests.faults.run import SETTINGS, Plan, Report, run
from tests.faults.table import lines

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

CHILD = "pool child killed"
# An order that its customer cancels while nobody is at it is not lost: most of them would be.
NOBODY = 0.0

NO_SWEEP = ("tasks/sweeps.py", '    "recover": recover,\n', "")
EARLY_ACKS = ("celeryconfig.py", "task_acks_late = True", "task_acks_late = False")
# Placing takes long enough for a kill to meet it; harmless by itself, as the control shows.
SLOW = (
    "workers/orders/placing.py",
    "        found()\n",
    '        __import__("time").sleep(0.3)\n        found()\n',
)
PLAIN_DEL = (
    "models/live/order_lock.py",
    "live.Call(script, [key(claim.customer_id)], [claim.token]) for claim",
    '("DEL", key(claim.customer_id)) for claim',
)


def short_run(
    tmp_path: Path,
    faults: tuple[str, ...],
    kills: int,
    *changes: tuple[str, str, str],
    before: Callable[[Fleet], None] | None = None,
    cancels: float = 0.85,
) -> Report:
    """A run of some 15 s over the mutated product."""
    logs = tmp_path / "logs"
    logs.mkdir()
    fleet = Fleet(mutated(tmp_path / "tree", *changes), logs, **SETTINGS)
    plan = Plan(
        seed=1,
        kills=kills,
        orders=300,
        seconds=12,
        customers=40,
        kinds=2,
        cancels=cancels,
        only=faults,
        leave_seconds=4,
        quiet_seconds=4,
    )
    try:
        fleet.start()
        if before:
            before(fleet)
        report = run(plan, fleet)
    finally:
        fleet.stop()
    print("\n".join(lines(report)))
    return report


def test_with_acks_late_a_killed_child_loses_nothing_even_without_the_sweep(
    tmp_path: Path,
) -> None:
    report = short_run(tmp_path, (CHILD,), 30, NO_SWEEP, SLOW, cancels=NOBODY)
    assert report.verdict.lost == 0, report.verdict.examples


def test_acks_late_off_is_reported_as_a_loss(tmp_path: Path) -> None:
    report = short_run(tmp_path, (CHILD,), 60, NO_SWEEP, SLOW, EARLY_ACKS, cancels=NOBODY)
    assert report.verdict.lost > 0


def test_sweep_off_is_reported_as_a_loss(tmp_path: Path) -> None:
    report = short_run(tmp_path, ("redis killed", "redis wiped"), 10, NO_SWEEP)
    assert report.verdict.lost > 0


def test_unique_index_dropped_is_reported_as_a_double(tmp_path: Path) -> None:
    report = short_run(tmp_path, ("redis wiped",), 60, before=_drop_the_key)
    assert report.verdict.doubled > 0


def _drop_the_key(fleet: Fleet) -> None:
    with psycopg2.connect(fleet.postgres.url) as connection:
        connection.cursor().execute(
            "ALTER TABLE admissions DROP CONSTRAINT uq_admissions_customer_id_idempotency_key"
        )
    connection.close()


def test_lock_released_by_a_plain_del_is_reported(tmp_path: Path) -> None:
    report = short_run(tmp_path, ("locks stolen",), 15, SLOW, PLAIN_DEL)
    assert report.verdict.problems["a lock was released by somebody who did not hold it"] > 0
