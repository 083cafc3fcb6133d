"""The simulated city against the real processes: a day, a stop, a kill, and what each leaves behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from models import db
from models.tables.orders import RUNNING
from tests.conftest import ROOT
from tests.system import System, ready, until
from tools.demo.control import AlreadyRunning, Demo, NotStarted

LEFT = {
    "searching orders": "SELECT count(*) FROM orders WHERE searching AND customer_id LIKE 'demo-%'",
    "running trips": "SELECT count(*) FROM truck_requests WHERE driver_id LIKE 'demo-%-driver-%' "
    f"AND status IN {RUNNING}",
    "drivers on duty": "SELECT count(*) FROM drivers WHERE available AND id LIKE 'demo-%-driver-%'",
    "open offers": "SELECT count(*) FROM offers WHERE state = 'open' AND driver_id LIKE 'demo-%-driver-%'",
}
OPTIONS = {"drivers": 30, "speed": 200, "minutes": 2}


def counted(statement: str) -> int:
    with db.statements() as connection:
        return int(connection.execute(text(statement)).scalar_one())


def left() -> dict[str, int]:
    return {what: found for what, statement in LEFT.items() if (found := counted(statement))}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    city = Demo(tmp_path)
    yield city
    assert city.stop(30)


def test_it_is_started_watched_and_stopped_and_leaves_nothing_behind(
    system: System, demo: Demo, tmp_path: Path
) -> None:
    assert demo.status() == {"state": "stopped"}
    demo.start(system.urls[0], **OPTIONS)
    with pytest.raises(AlreadyRunning):
        demo.start(system.urls[0], **OPTIONS)
    seen = until(lambda: _busy(demo), 40)
    assert (seen["state"], seen["drivers"]) == ("running", 30)
    assert demo.stop(40)
    assert demo.status() == {"state": "stopped"}
    assert left() == {}
    table = _table((tmp_path / "demo.log").read_text())
    assert int(table["orders"]) >= seen["orders"]
    assert table["failures"] == "0"


def _busy(demo: Demo) -> dict[str, int] | None:
    status = demo.status()
    return status if status.get("filled", 0) >= 3 and status["busy"] else None


def _table(log: str) -> dict[str, str]:
    lines = log[log.rindex("\norders  ") :].splitlines()
    return {line[:28].strip(): line[28:] for line in lines}


@pytest.mark.long
def test_after_a_kill_the_next_one_takes_up_what_was_left(system: System, demo: Demo) -> None:
    demo.start(system.urls[1], **OPTIONS | {"speed": 60})
    killed = until(lambda: _busy(demo), 40)
    os.kill(killed["pid"], signal.SIGKILL)
    until(lambda: demo.status()["state"] == "stopped")
    assert left()["running trips"]
    demo.start(system.urls[0], **OPTIONS)
    until(lambda: demo.status().get("drivers") == 30, 20)
    assert demo.stop(40)
    assert left().keys() <= {"searching orders"}, "orders of killed customers end with their searches"


@pytest.mark.long
def test_a_whole_day_ends_with_a_table_that_postgres_confirms(system: System, tmp_path: Path) -> None:
    before = counted("SELECT count(*) FROM orders WHERE customer_id LIKE 'demo-%'")
    command = [sys.executable, "-m", "tools.demo", "--url", system.urls[0], "--notes", str(tmp_path)]
    day = subprocess.run(
        [*command, "--drivers", "20", "--speed", "300", "--minutes", "0.4", "--seed", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert day.returncode == 0, day.stdout + day.stderr
    table = _table(day.stdout)
    made = counted("SELECT count(*) FROM orders WHERE customer_id LIKE 'demo-%'") - before
    assert (int(table["orders"]), table["refused"]) == (made, "0")
    parts = ("filled", "partly filled", "expired", "cancelled")
    assert sum(int(table[name]) for name in parts) == made
    assert int(table["filled"]) > made / 2
    assert table["median time to first offer"].endswith(" ms")
    assert left() == {}


@pytest.mark.long
def test_it_ends_by_itself_when_the_system_has_gone(system: System, demo: Demo, name: str) -> None:
    url = system.start_web(f"web-{name}")
    web = system.processes[f"web-{name}"]
    try:
        until(lambda: ready(url), 30)
        demo.start(url, **OPTIONS)
        until(lambda: demo.status().get("drivers") == 30, 20)
    finally:
        system.urls.remove(url)
        os.killpg(web.pid, signal.SIGKILL)
        web.wait()
    until(lambda: demo.status() == {"state": "stopped"}, 40)


def test_without_a_system_it_says_what_to_do(demo: Demo) -> None:
    with pytest.raises(NotStarted, match=r"Nothing answers at .*: start the system"):
        demo.start("http://127.0.0.1:9")


def test_it_is_refused_in_production(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    with pytest.raises(NotStarted, match="refused in production"):
        demo.start("http://127.0.0.1:9")


@pytest.mark.parametrize("wrong", [["--drivers", "0"], ["--speed", "-1"], ["--minutes", "x"]])
def test_a_wrong_option_is_one_sentence(wrong: list[str]) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tools.demo", *wrong], cwd=ROOT, capture_output=True, text=True
    )
    assert said.returncode == 2
    assert said.stderr.startswith("demo: argument")
    assert said.stderr.count("\n") == 1
