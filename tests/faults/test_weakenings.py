"""The defences are proven: take one away, and the test that stands for it turns red.

Each weakening is made in a copy of the tree, and its test run there.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.weakenings import WEAKENINGS, Weakening

pytestmark = [pytest.mark.by_hand, pytest.mark.timeout(300)]

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".run", "__pycache__", ".*_cache", ".hypothesis")


def copied(directory: Path, *weakenings: Weakening) -> Path:
    """The tree with these weakenings."""
    shutil.copytree(ROOT, directory, ignore=LEFT_OUT)
    for weakening in weakenings:
        weakening.apply(directory)
    return directory


def run(tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_without_a_weakening_every_test_named_here_passes(tmp_path: Path) -> None:
    done = run(copied(tmp_path / "tree"), *(weakening.test for weakening in WEAKENINGS.values()))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", WEAKENINGS)
def test_a_weakening_turns_its_test_red(tmp_path: Path, name: str) -> None:
    weakening = WEAKENINGS[name]
    done = run(copied(tmp_path / "tree", weakening), weakening.test)
    print(f"{name}: {done.stdout.strip().splitlines()[-1]}")
    assert done.returncode == 1, done.stdout
    assert f"FAILED {weakening.test}" in done.stdout, done.stdout
    assert "\nERROR " not in done.stdout, done.stdout
    # Whatever breaks the code turns tests red.
    assert "NameError" not in done.stdout, done.stdout
