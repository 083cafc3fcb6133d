"""One running system for all end-to-end tests."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.conftest import Stores
from tests.system import Person, System, running


@pytest.fixture(scope="session")
def system(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two web processes, the workers and beat."""
    with running(stores.environment, tmp_path_factory.mktemp("logs")) as started:
        yield started


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return uuid4().hex[:12]


@pytest.fixture(autouse=True)
def _go_home() -> Iterator[None]:
    yield
    Person.forget_all()
