"""The blocking half of the Python client is that of its asyncio half, word for word."""

import pytest

from tools.client import twin


@pytest.mark.parametrize("module", twin.MODULES)
def test_the_blocking_module_is_what_make_twin_writes_today(module: str) -> None:
    assert (twin.CLIENT / f"{module}.py").read_text() == twin.of(module), "run `make twin`"


def test_only_what_waits_is_written_twice() -> None:
    modules = {path.stem for path in (twin.CLIENT / "aio").glob("*.py")} - {"__init__"}
    assert modules - set(twin.MODULES) == {"waiting"}
