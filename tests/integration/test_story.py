"""The story of an order comes in pages, however many drivers were asked."""

from typing import Any

import pytest

from tests import scenes
from tests.clients import Caller, code
from workers.reading.listing import DRIVERS_OF_A_WAVE

pytestmark = pytest.mark.usefixtures("clean")
DRIVERS = 30


@pytest.fixture
def order_id() -> str:
    """An order of asha's for three trucks that thirty drivers were asked for."""
    for number in range(DRIVERS):
        scenes.driver(f"driver-{number:02}", 0.1 + number / 100)
    return scenes.placed(trucks=3).order_id


def page(who: Caller, path: str) -> dict[str, Any]:
    answer = who.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = (answer.json or {})["data"]
    return found


@pytest.mark.parametrize(("role", "path"), [("customer", "/orders/{}/events"), ("ops", "/ops/orders/{}")])
def test_a_story_is_read_page_by_page_and_every_row_comes_once(order_id: str, role: str, path: str) -> None:
    who, events, offers, cursor = Caller(role, "asha"), [], [], ""
    for _ in range(10):
        found = page(who, path.format(order_id) + "?limit=7" + (f"&cursor={cursor}" if cursor else ""))
        assert len(found["events"]) <= 7
        assert len(found["offers"]) <= 7
        events += [event["id"] for event in found["events"]]
        offers += [offer["driverId"] for offer in found["offers"]]
        if (cursor := found["nextCursor"]) is None:
            break
    assert events == sorted(set(events))
    assert len(events) == 2
    assert len(set(offers)) == len(offers) == DRIVERS


def test_a_wave_names_some_of_its_drivers_and_how_many_there_were(order_id: str) -> None:
    found = page(Caller("ops", "olga"), f"/ops/orders/{order_id}")
    wave = found["events"][-1]["data"]
    assert len(wave["drivers"]) == DRIVERS_OF_A_WAVE
    assert wave["driversAsked"] == DRIVERS
    assert found["nextCursor"] is None


@pytest.mark.parametrize("cursor", ["x", "1", "-1.", "1.x", "%00%ff", "9" * 40 + ".", "1.%00", ""])
def test_a_cursor_that_no_page_has_ended_with_is_refused_by_its_name(order_id: str, cursor: str) -> None:
    for role, path in (("customer", f"/orders/{order_id}/events"), ("ops", f"/ops/orders/{order_id}")):
        answer = Caller(role, "asha").get(f"{path}?cursor={cursor}")
        assert code(answer) == (400, "VALIDATION_ERROR")
        assert [row["field"] for row in (answer.json or {})["error"]["details"]] == ["cursor"]
