"""The long form of the weakenings (tests/faults/test_weakenings.py) still fits the code."""

import pytest

from tests.conftest import ROOT
from tests.faults.weakenings import WEAKENINGS


@pytest.mark.parametrize("name", WEAKENINGS)
def test_what_a_weakening_replaces_is_there_and_so_is_its_test(name: str) -> None:
    weakening = WEAKENINGS[name]
    weakening.read(ROOT)
    path, _, test = weakening.test.partition("::")
    assert f"def {test.partition('[')[0]}(" in (ROOT / path).read_text()
