"""The simulated city's button: one city, whichever web process is asked, and none outside development."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.system import Person, System, until
from tools.demo.control import Demo


@pytest.fixture
def demo(system: System) -> Iterator[Demo]:
    """The city that the web processes of the tests know of."""
    city = Demo(system.logs)
    yield city
    assert city.stop()


def asked(url: str, running: bool | None = None) -> dict[str, Any]:
    """How the city is doing, after a wish if there is one."""
    person, address = Person(url, "ops", "olga"), f"{url}/console/city"
    answer = (
        person.http.get(address) if running is None else person.http.put(address, json={"running": running})
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


@pytest.mark.long
def test_either_process_starts_watches_and_stops_the_same_city(system: System, demo: Demo) -> None:
    first, second = system.urls
    assert asked(first)["state"] == "stopped"
    assert asked(first, running=True)["state"] in ("starting", "running")
    process = demo.status()["pid"]
    assert asked(second, running=True)["state"] in ("starting", "running")
    seen = until(lambda: (now := asked(second))["orders"] and now["drivers"] == 200 and now, 60)
    assert seen["state"] == "running"
    assert demo.status()["pid"] == process
    assert asked(second, running=False)["state"] in ("running", "stopping")
    assert asked(first, running=False)["state"] in ("running", "stopping", "stopped")
    until(lambda: asked(first)["state"] == "stopped", 60)
    assert "failures                    0" in (system.logs / "demo.log").read_text()


def test_a_city_that_cannot_begin_says_why(system: System, demo: Demo) -> None:
    with system.beside("elsewhere", REDIS_URL="redis://127.0.0.1:1/0") as url:
        refused = Person(url, "ops", "olga").http.put(f"{url}/console/city", json={"running": True})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CITY_NOT_STARTED")
    assert "The system is not ready (HTTP 503)" in refused.json()["error"]["message"]
    assert demo.status() == {"state": "stopped"}


def test_outside_development_there_is_no_city(system: System, demo: Demo) -> None:
    with system.beside("strict", APP_ENV="test") as url:
        http = Person(url, "ops", "olga").http
        assert http.get(f"{url}/console/city").status_code == 404
        assert http.put(f"{url}/console/city", json={"running": True}).status_code == 404
    assert demo.status() == {"state": "stopped"}
