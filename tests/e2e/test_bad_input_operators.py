"""What operators can get wrong: an open Flower, and a production that starts on unsafe settings."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from models import clock
from tests import scenes
from tests.conftest import ROOT, Stores
from tests.system import Person, System, listens, until
from tools.local import ports
from tools.local.procfile import read as read_procfile

COMMANDS = read_procfile(ROOT / "Procfile")
SAFE = {
    "APP_ENV": "production",
    "JWT_SECRET": "a secret of production, forty bytes long",
    "FLOWER_BASIC_AUTH": "olga:a password",
    "HOST": "127.0.0.1",
    "WEB_CONCURRENCY": "1",
}

# What is changed of safe settings, and the setting that the sentence has to name.
UNSAFE: dict[str, tuple[dict[str, str | None], str]] = {
    "development secret": ({"JWT_SECRET": "weelo-development-secret-not-for-production"}, "JWT_SECRET"),
    "no secret": ({"JWT_SECRET": None}, "JWT_SECRET"),
    "short secret": ({"JWT_SECRET": "short"}, "JWT_SECRET"),
    "development secret before": (
        {"JWT_SECRET_PREVIOUS": "weelo-development-secret-not-for-production"},
        "JWT_SECRET_PREVIOUS",
    ),
    "no password for Flower": ({"FLOWER_BASIC_AUTH": None}, "FLOWER_BASIC_AUTH"),
    "empty password for Flower": ({"FLOWER_BASIC_AUTH": ""}, "FLOWER_BASIC_AUTH"),
    "half a password for Flower": ({"FLOWER_BASIC_AUTH": "olga:"}, "FLOWER_BASIC_AUTH"),
    "no database": ({"DATABASE_URL": None}, "DATABASE_URL"),
    "silent database": ({"DATABASE_URL": "postgresql://weelo:hidden@127.0.0.1:1/weelo"}, "DATABASE_URL"),
    "no address of a database": (
        {"DATABASE_URL": "postgress://weelo:hidden@db/weelo"},
        "DATABASE_URL",
    ),
    "no Redis": ({"REDIS_URL": None}, "REDIS_URL"),
    "misspelt environment": ({"APP_ENV": "prod"}, "APP_ENV"),
}


def ended(stores: Stores, process: str, changes: dict[str, str | None]) -> subprocess.CompletedProcess[str]:
    """The process started with these settings, once it has ended by itself."""
    wanted = {**SAFE, **stores.environment, **changes}
    path = f"{sys.executable.rpartition('/')[0]}:/usr/bin:/bin"
    port = {"PORT": str(ports.free()), "FLOWER_PORT": str(ports.free()), "FLOWER_ADDRESS": "127.0.0.1"}
    environment = {name: value for name, value in wanted.items() if value is not None}
    return subprocess.run(
        COMMANDS[process],
        cwd=ROOT,
        env={"PATH": path, **port, **environment},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


@pytest.mark.parametrize("case", UNSAFE)
def test_an_unsafe_production_web_does_not_start(stores: Stores, case: str) -> None:
    changes, setting = UNSAFE[case]
    _says(ended(stores, "web", changes), setting)


@pytest.mark.parametrize("process", ["orders", "beat", "flower"])
@pytest.mark.parametrize("case", ["no password for Flower", "silent database"])
def test_no_other_process_starts_on_them_either(stores: Stores, process: str, case: str) -> None:
    changes, setting = UNSAFE[case]
    _says(ended(stores, process, changes), setting)


def _says(done: subprocess.CompletedProcess[str], setting: str) -> None:
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    sentences = [line for line in said.splitlines() if line.startswith("weelo: ")]
    assert len(set(sentences)) == 1, said
    assert setting in sentences[0]
    assert sentences[0].endswith(".")
    assert "hidden" not in said
    assert "Traceback" not in said


def test_a_safe_production_web_starts(system: System) -> None:
    with system.beside("production", **SAFE) as url:
        assert httpx.get(f"{url}/health").status_code == 200


@pytest.fixture(scope="module")
def flower(stores: Stores, system: System) -> Iterator[str]:
    """Flower as the Procfile starts it, where nobody has set FLOWER_BASIC_AUTH."""
    port = ports.free()
    system.environment.pop("FLOWER_BASIC_AUTH", None)
    system.run("flower", COMMANDS["flower"], FLOWER_PORT=str(port), FLOWER_ADDRESS="127.0.0.1")
    url = f"http://127.0.0.1:{port}"
    until(partial(listens, url), 30, system.log("flower"))
    yield url
    system.end("flower")


FLOWER_PATHS = (
    "/",
    "/tasks",
    "/workers",
    "/api/workers",
    "/api/tasks",
    "/api/queues/length",
    "/metrics",
    "/healthcheck",
)


@pytest.mark.parametrize("path", FLOWER_PATHS)
@pytest.mark.parametrize("credentials", [None, ("ops", "wrong"), ("", ""), ("ops", "weelo ")])
def test_flower_is_closed_without_its_password(
    flower: str, path: str, credentials: tuple[str, str] | None
) -> None:
    assert httpx.get(flower + path, auth=credentials).status_code == 401


@pytest.mark.parametrize("path", ["task/apply/sweeps.each_second", "worker/shutdown/x", "task/revoke/x"])
def test_flower_does_nothing_without_its_password(flower: str, path: str) -> None:
    assert httpx.post(f"{flower}/api/{path}", json={"args": []}).status_code == 401


def test_flower_opens_with_the_password(flower: str) -> None:
    for path in ("/workers", "/metrics", "/healthcheck"):
        assert httpx.get(flower + path, auth=("ops", "weelo")).status_code == 200


def test_flower_keeps_orders_and_no_sweeps_and_leads_to_the_console(
    flower: str, system: System, name: str
) -> None:
    def kept() -> set[str]:
        tasks = httpx.get(f"{flower}/api/tasks", auth=("ops", "weelo")).json()
        return {task["name"] for task in tasks.values()}

    def placed() -> bool:
        # Each by another customer: one of the first may be placed before Flower listens to the workers.
        Person(system.urls[0], "customer", f"{name}-{clock.now_ms()}").order(
            scenes.body(vehicle=("TRUCK", name))
        )
        return kept() != set()

    # Meanwhile the sweeps run every second.
    until(placed, 60)
    assert kept() == {"orders.place"}
    navigation = httpx.get(f"{flower}/tasks", auth=("ops", "weelo")).text
    assert 'href="//127.0.0.1:8000/console"' in navigation
