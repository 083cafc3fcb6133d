"""What can be held of the image and of compose without an engine: files, commands and settings."""

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from models.settings import Server, Settings
from tests.conftest import ROOT
from tools.local.procfile import read as read_procfile

COMMANDS = read_procfile(ROOT / "Procfile")
# Of compose's own services: the stores, what stands in front, and what runs once.
NOT_IN_THE_PROCFILE = {"postgres", "redis", "nginx", "migrate"}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (name, rest.strip())
        for name, _, rest in (line.partition(" ") for line in joined.splitlines())
        if name
    ]


def copied() -> list[str]:
    """What the Dockerfile takes from the checkout, each source by itself."""
    found: list[str] = []
    for name, rest in instructions():
        if name not in ("COPY", "ADD"):
            continue
        words = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
        flags = [word for word in words if word.startswith("--")]
        if not any(flag.startswith("--from=") for flag in flags):
            found += words[len(flags) : -1]
    return found


def pattern(line: str) -> re.Pattern[str]:
    """A line of .dockerignore: `**` any directories, `*` and `?` within one; it holds for all below it."""
    text = str(PurePosixPath(line.strip("/")))
    parts = {r"\*\*/": "(.*/)?", r"\*\*": ".*", r"\*": "[^/]*", r"\?": "[^/]"}
    found = re.sub(r"\\\*\\\*/|\\\*\\\*|\\\*|\\\?", lambda match: parts[match[0]], re.escape(text))
    return re.compile(f"{found}(/.*)?$")


def left_out(path: str, ignore: str) -> bool:
    """Whether Docker leaves a file out of the build: the last line that matches decides."""
    out = False
    for line in (line.strip() for line in ignore.splitlines()):
        if not line or line.startswith("#"):
            continue
        taken = line.startswith("!")
        if pattern(line[taken:]).match(path):
            out = not taken
    return out


@pytest.mark.parametrize(
    ("path", "ignore", "out"),
    [
        ("a.py", "*", True),
        ("a.py", "*\n!a.py", False),
        ("models/db.py", "*\n!models", False),
        ("models/__pycache__/db.pyc", "*\n!models\n**/__pycache__", True),
        ("__pycache__/a.pyc", "**/__pycache__", True),
        ("web/a.py", "*.py", False),
        ("modelsx/db.py", "*\n!models", True),
        ("a.py", "!a.py\n*", True),
    ],
)
def test_dockerignore_is_read_as_docker_reads_it(path: str, ignore: str, out: bool) -> None:
    assert left_out(path, ignore) is out


def test_whatever_the_dockerfile_copies_is_there_and_passes_dockerignore() -> None:
    ignore = (ROOT / ".dockerignore").read_text()
    sources = copied()
    assert "flowerconfig.py" in sources
    for source in sources:
        found = ROOT / source.strip("/")
        assert found.exists(), source
        files = [found] if found.is_file() else [path for path in found.rglob("*") if path.is_file()]
        inside = [path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts]
        assert inside, source
        assert [path for path in inside if left_out(path, ignore)] == []


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_compose_starts_each_process_of_the_procfile_by_its_name(services: dict[str, dict[str, Any]]) -> None:
    own = {name: service["command"] for name, service in services.items() if name not in NOT_IN_THE_PROCFILE}
    assert own == {name: ["sh", "process.sh", name] for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_container_runs_what_the_procfile_says(name: str, tmp_path: Path) -> None:
    program, *arguments = COMMANDS[name]
    (tmp_path / program).write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (tmp_path / program).chmod(0o755)
    command = ["sh", str(ROOT / "docker/process.sh"), name]
    environment = {"PATH": f"{tmp_path}:{os.defpath}"}
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == arguments


def test_a_container_without_such_a_process_says_so() -> None:
    command = ["sh", str(ROOT / "docker/process.sh"), "wbe"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode != 0
    assert "there is no such process" in said.stderr


def test_the_image_by_itself_is_the_procfiles_web() -> None:
    [command] = [json.loads(rest) for name, rest in instructions() if name == "CMD"]
    assert command == ["sh", "process.sh", "web"]


def test_the_application_is_made_of_what_the_image_holds_and_has_no_city(tmp_path: Path) -> None:
    for source in copied():
        found = ROOT / source.strip("/")
        if found.is_dir():
            shutil.copytree(found, tmp_path / source)
        elif found.suffix == ".py":
            shutil.copy(found, tmp_path)
    code = """
from web import create_app
client = create_app().test_client()
print(client.get("/health").status_code, client.get("/console/city").status_code)
"""
    environment = {"APP_ENV": "production", "FLOWER_BASIC_AUTH": f"ops:{secrets.token_hex(8)}"} | {
        "JWT_SECRET": secrets.token_hex(32),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert said.stdout.split() == ["200", "401"], said.stderr


def test_compose_names_every_setting_for_every_process_of_ours(services: dict[str, dict[str, Any]]) -> None:
    names = {name.upper() for kind in (Settings, Server) for name in kind.model_fields}
    for name, service in services.items():
        if name not in NOT_IN_THE_PROCFILE - {"migrate"}:
            assert names - set(service["environment"]) == set(), name


def test_one_service_builds_the_image_of_all(services: dict[str, dict[str, Any]]) -> None:
    assert [name for name, service in services.items() if "build" in service] == ["migrate"]
    own = set(services) - NOT_IN_THE_PROCFILE | {"migrate"}
    assert {services[name]["image"] for name in own} == {"weelo"}


def test_only_nginx_and_flower_can_be_reached_from_outside(services: dict[str, dict[str, Any]]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["nginx", "flower"]


def test_every_container_is_closed_and_bounded(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert bool(service.get("cap_add")) is (name == "postgres"), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"], name
        assert "/tmp" in service["tmpfs"], name
        assert {"mem_limit", "pids_limit"} <= set(service), name
        assert {"max-size", "max-file"} <= set(service["logging"]["options"]), name


def test_the_health_check_removes_the_file_that_the_processes_make(
    services: dict[str, dict[str, Any]],
) -> None:
    [check] = [rest for name, rest in instructions() if name == "HEALTHCHECK"]
    [program, path] = json.loads(check.partition("CMD ")[2])
    assert program == "rm"
    assert f"ALIVE_FILE={path}" in [word for _, rest in instructions() for word in rest.split()]
    assert {services[name]["environment"]["ALIVE_FILE"] for name in COMMANDS} == {path}
    assert all("healthcheck" not in services[name] for name in COMMANDS)


@pytest.mark.by_hand
def test_every_pinned_package_has_a_wheel_for_linux_on_arm64(tmp_path: Path) -> None:
    """Asks the package index that pip knows."""
    platforms = ("manylinux_2_28_aarch64", "manylinux2014_aarch64", "manylinux_2_17_aarch64")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--require-hashes",
        "--python-version",
        "3.13",
    ]
    command += ["--only-binary", ":all:", "--dest", str(tmp_path), "-r", str(ROOT / "requirements.txt")]
    subprocess.run(
        [*command, *(word for platform in platforms for word in ("--platform", platform))], check=True
    )
    assert len(list(tmp_path.glob("*.whl"))) > 40


def test_no_health_check_goes_through_a_proxy(services: dict[str, dict[str, Any]]) -> None:
    checks = [rest for name, rest in instructions() if name == "HEALTHCHECK"]
    checks += [json.dumps(service.get("healthcheck", {})) for service in services.values()]
    assert not [check for check in checks if re.search(r"urllib|requests|httpx|curl|wget", check)]
