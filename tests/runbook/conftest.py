from collections.abc import Iterator

import pytest

from tests.conftest import own_stores
from tests.runbook.operator import Operator
from tests.system import running

# Short, so that "nothing expires" is seen soon.
TTL_SECONDS = 5


@pytest.fixture(scope="package")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A small system, and who runs it."""
    settings = {"ORDER_TTL_SECONDS": str(TTL_SECONDS)}
    with (
        own_stores("weelo-runbook-") as stores,
        running(stores.environment | settings, tmp_path_factory.mktemp("logs")) as system,
    ):
        yield Operator(system, stores)
