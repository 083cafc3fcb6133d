"""The Python client's classes of frames are those that `/asyncapi.json` publishes, field by field."""

import typing
from typing import Any

import pytest
from weelo_client import frames
from weelo_client.frames import Event

from tests import documents

PUBLISHED = {
    name.removeprefix("to_"): message
    for name, message in documents.of_socket()["components"]["messages"].items()
    if name.startswith("to_")
}
# The same class stands for both roles: what only one of them gets may be missing.
OF_CUSTOMERS_ONLY = {"order_expired": {"trucksFilled", "totalTrucks"}}


def _example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = PUBLISHED[name]["examples"][0]["payload"]
    return found


def _typed_data(kind: type[Event]) -> Any:
    return typing.get_type_hints(kind)["data"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_frame_has_a_class_with_the_published_fields(name: str) -> None:
    kind = frames.kind_of(_example(name))
    assert kind is not Event
    reference = PUBLISHED[name]["payload"]["properties"]["data"]["$ref"].rpartition("/")[2]
    schema = documents.of_socket()["components"]["schemas"][reference]
    data, only = _typed_data(kind), OF_CUSTOMERS_ONLY.get(name.partition(".")[2], set())
    assert set(data.__annotations__) - only == set(schema["properties"]) - only
    assert set(data.__required_keys__) == set(schema["required"]) - only


def test_a_frame_that_is_newer_than_the_client_is_a_plain_event() -> None:
    assert frames.kind_of({"type": "from_tomorrow", "data": {}}) is Event
