"""The bench in its shortest form: shows after a change that the product can still be measured."""

import json
from pathlib import Path

import pytest

from tools.bench import figures, open_loop, rates
from tools.bench.course import Course
from tools.bench.people import People
from tools.bench.site import Site


@pytest.mark.long
def test_a_second_of_independent_orders_is_all_201_with_a_first_offer_and_a_cost_each(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site", open_loop.TTL_SECONDS, without=("flower",))
    try:
        site.begin()
        course = Course(site, People(site), rounds=1, seconds=1, say=print)
        rows = rates.cost(course, [20])
    finally:
        site.stop()
    figures.save(tmp_path / "bench.json", rows, {"rounds": 1})
    [row] = json.loads((tmp_path / "bench.json").read_text())["rows"]
    [statuses], [due] = row["notes"]["statuses"], row["notes"]["due"]
    assert statuses == {"201": due}
    assert due > 0
    assert row["notes"]["sockets closed"] == [0]
    measured = {name: figure["median"] for name, figure in row["figures"].items()}
    assert 0 < measured["201 p50"] <= measured["201 p99"]
    assert 0 < measured["first offer p50"] <= measured["first offer p99"] < float("inf")
    kinds = {"web", "worker", "postgres", "redis"}
    assert {f"CPU {kind}" for kind in kinds | {"client", "servers"}} <= measured.keys()
    assert measured["CPU web"] > 0
    assert 0 < measured["CPU servers"] <= 1.01 * sum(measured[f"CPU {kind}"] for kind in kinds)
