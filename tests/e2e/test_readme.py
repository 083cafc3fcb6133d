"""The README's commands, typed as they stand there, on a system that `make run` has started."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.launched import Launched, launched

README = (ROOT / "README.md").read_text()
TRY_IT = re.search(r"^From a terminal:\n\n```bash\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
DEFAULT = "http://127.0.0.1:8000"
# `make` with the environment that these tests have, instead of building one.
MAKE = '#!/bin/sh\nexec "{make}" --no-print-directory VENV="{venv}" "$@"\n'
SECOND_PART = "# The driver sees the offer"


def _shell(system: Launched, tools: Path, script: str) -> list[dict[str, Any]]:
    """Runs these lines in a shell where the system was started; the answers, one after the other."""
    done = subprocess.run(
        ["bash", "-eu", "-c", script.replace(DEFAULT, system.url)],
        cwd=system.notes.parent,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    decoder, answers, at = json.JSONDecoder(), [], 0
    while at < len(done.stdout.rstrip()):
        answer, at = decoder.raw_decode(done.stdout, at)
        answers.append(answer)
    return answers


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with a `make` of that kind."""
    make = subprocess.run(["sh", "-c", "command -v make"], capture_output=True, text=True, check=True)
    (tmp_path / "make").write_text(MAKE.format(make=make.stdout.strip(), venv=sys.prefix))
    (tmp_path / "make").chmod(0o755)
    return tmp_path


@pytest.mark.long
@pytest.mark.timeout(180)
def test_the_commands_of_the_readme_order_a_truck_and_accept_it(tools: Path) -> None:
    assert TRY_IT
    names = "".join(line for line in TRY_IT[1].splitlines(keepends=True) if re.match(r"[A-Z]+=", line))
    first, _, second = TRY_IT[1].partition(SECOND_PART)
    with launched() as system:
        answers = _shell(system, tools, first)
        assert [answer["success"] for answer in answers] == [True] * 4
        order = answers[-1]["data"]["order"]
        assert order["status"] == "active"
        offers, won = _shell(
            system, tools, names + second.partition("\n")[2].replace("ORDER_ID", order["id"])
        )
        assert [offer["orderId"] for offer in offers["data"]["broadcasts"]] == [order["id"]]
        assert won["data"]["result"] == "accepted"
