"""The bench in its shortest form: whoever changes the product learns here that it can still be measured."""

import json
from pathlib import Path

import pytest

from bench import charts, figures, placing
from bench.course import Course
from bench.crew import WAVE
from bench.people import People
from bench.site import Site

TTL_SECONDS = 3


@pytest.mark.long
def test_a_second_of_orders_is_all_201_with_every_offer_delivered(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site", TTL_SECONDS, without=("flower",))
    try:
        site.begin()
        course = Course(site, People(site), rounds=1, seconds=1, say=print)
        row = placing.rate(course, 4)
    finally:
        site.stop()
    figures.save(tmp_path / "bench.json", [row], {"rounds": 1})
    [told] = json.loads((tmp_path / "bench.json").read_text())["rows"]
    [statuses], [offers] = told["notes"]["statuses"], told["notes"]["offers"]
    assert statuses.keys() == {"201"}
    assert offers == WAVE * statuses["201"] > 0
    assert told["figures"]["rate"]["unit"] == "orders/s"
    assert told["figures"]["rate"]["median"] == told["figures"]["rate"]["rounds"][0] > 0
    kinds = {"web", "worker", "postgres", "redis", "client", "servers"}
    assert {f"CPU {kind}" for kind in kinds} <= told["figures"].keys()
    assert told["figures"]["CPU web"]["median"] > 0
    assert {path.name for path in charts.draw(tmp_path, [row])} == {"rates.png", "cpu.png"}
