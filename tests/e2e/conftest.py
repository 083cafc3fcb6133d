"""One running system for all end-to-end tests."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.conftest import Stores
from tests.e2e.console import launch
from tests.system import Person, System, running

# A page on a machine with much other work takes longer than Playwright's own 5 s.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="package")
def system(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two web processes, the workers and beat; gone before other tests, whose drivers they would sweep."""
    with running(stores.environment, tmp_path_factory.mktemp("logs")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser; of a module, since Playwright keeps a loop running on the thread of the tests."""
    with sync_playwright() as playwright:
        opened = launch(playwright)
        yield opened
        opened.close()


@pytest.fixture
def name() -> str:
    """A name that no other test uses. With a letter first: of digits alone, its capitals are itself."""
    return f"n{uuid4().hex[:11]}"


@pytest.fixture(autouse=True)
def _forget_people() -> Iterator[None]:
    yield
    Person.forget_all()
