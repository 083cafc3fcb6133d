"""One system for all scenarios: each of them leaves it whole."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.conftest import ROOT
from tests.faults.fleet import Fleet
from tests.faults.run import SETTINGS
from tests.system import Person


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two of every process over stores of its own."""
    started = Fleet(ROOT, tmp_path_factory.mktemp("fleet"), **SETTINGS)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture
def name(fleet: Fleet) -> Iterator[str]:
    """A name that no other scenario uses. Afterwards everything has to run that was not killed."""
    yield uuid4().hex[:12]
    Person.forget_all()
    assert not fleet.ended()
