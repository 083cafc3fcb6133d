"""The list of files in docs/tour.md leaves nothing out that runs for an order."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT, Stores
from tests.way.__main__ import LIST, TOUR
from tests.way.following import follow_one_order


@pytest.mark.long
@pytest.mark.usefixtures("clean")
def test_every_file_that_runs_for_an_order_is_in_the_list_of_the_tour(stores: Stores, tmp_path: Path) -> None:
    found = LIST.search(TOUR.read_text())
    assert found
    listed = set(re.findall(r"`([\w/]+\.py)`", found[0]))
    assert [name for name in sorted(listed) if not (ROOT / name).exists()] == []
    ran = set().union(*follow_one_order(stores.environment, tmp_path).values())
    assert sorted(ran - listed) == [], "python -m tests.way --write renews the list"
