"""One system for all scenarios: each of them leaves it whole."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests.conftest import ROOT, process_settings
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


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """How often a race is run: as often as asked for, or so many times."""
    asked: int | None = request.config.getoption("--rounds")
    return lambda short: short if asked is None else asked


@pytest.fixture
def here(fleet: Fleet) -> Iterator[None]:
    """Workers' functions that are called in this process work on the fleet's stores."""
    with process_settings(**fleet.stores):
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs each scenario so many times in a row, every time as a test of its own."""
    times = int(metafunc.config.getoption("--repeat"))
    if times > 1 and metafunc.module.__name__.endswith(("test_scenarios", "test_races", "test_dispatch")):
        metafunc.fixturenames.append("turn")
        metafunc.parametrize("turn", range(1, times + 1), ids="turn{}".format)
