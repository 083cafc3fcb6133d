"""The README's story and the commands around it, on a system that `make run` has started on some port."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launched import Launched, launched

# `make` with the environment that these tests have, instead of building one.
MAKE = '#!/bin/sh\nexec "{make}" --no-print-directory VENV="{venv}" "$@"\n'
STEPS = ("en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with a `make` of that kind."""
    make = subprocess.run(["sh", "-c", "command -v make"], capture_output=True, text=True, check=True)
    (tmp_path / "make").write_text(MAKE.format(make=make.stdout.strip(), venv=sys.prefix))
    (tmp_path / "make").chmod(0o755)
    return tmp_path


def _make(system: Launched, tools: Path, *words: str) -> str:
    """What a command says, typed where the system was started."""
    done = subprocess.run(
        ["make", "-s", *words],
        cwd=system.notes.parent,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.long
@pytest.mark.timeout(180)
def test_the_story_of_the_readme_and_the_commands_around_it_work_on_any_port(tools: Path) -> None:
    with launched() as system:
        assert _make(system, tools, "url").strip() == system.url
        assert '"beat":"ok"' in _make(system, tools, "status")
        for _ in range(2):
            answers = [json.loads(line) for line in _make(system, tools, "try").splitlines() if line]
            assert all(answer["success"] for answer in answers)
            assert tuple(answer["data"]["status"] for answer in answers[-6:-1]) == STEPS
            order = answers[-1]["data"]["order"]
            assert order["status"] == "completed"
        story = _make(system, tools, "order", f"ID={order['id']}")
        assert re.search(r"truck 1  TRUCK/TATA_ACE  completed  Ravi \(ravi\)", story)
        assert re.search(r"order_placed .*\n.* wave_sent .*\n.* truck_assigned ", story)
        assert _make(system, tools, "psql", "ARGS=-tc 'SELECT count(*) FROM orders'").strip() == "2"
        _make(system, tools, "migrate")
        # An order's lines are in the file of their process and not on the terminal.
        assert "order placed" in (system.notes / "logs" / "orders.log").read_text()
        assert "order placed" not in system.log.read_text()
        assert _make(system, tools, "stop").strip() == "stopped"
        assert not system.answers()
