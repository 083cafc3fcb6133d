"""`make growth` in its short form: every route, frame and sweep of the running system beside a small past."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

SMALL = ("--orders", "20000", "--drivers", "6000", "--rounds", "2", "--buffers", "64MB", "--usual")


@pytest.mark.timeout(240)
@pytest.mark.long
def test_everything_is_used_and_no_statement_or_command_takes_long_beside_a_small_past() -> None:
    """What is usual counts: a machine that runs other tests beside this one holds single statements up."""
    command = [sys.executable, "-m", "tests.growth", *SMALL]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " 0 over their limit" in ended.stdout
