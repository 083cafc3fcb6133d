"""What `make client` generates compiles, and a short program in each language drives a truck with it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import compilers
from tests.conftest import ROOT
from tests.system import Person, System
from tools.client import generators

EXAMPLES = ROOT / "clients" / "examples"
# OpenAPI Generator says these two of every document of version 3.1, and names nothing of ours.
OF_EVERY_DOCUMENT = re.compile(r"OpenAPI 3\.1 support is still in beta|Failed to get the schema name: null")
COMPLAINT = re.compile(r"\b(WARN|ERROR)\b|[Ww]arning|Exception")
NEEDS: dict[str, Callable[[], object]] = {
    "typescript": lambda: generators.node_modules(generators.OPENAPI_TYPESCRIPT),
    "python": lambda: generators.installed(generators.OPENAPI_PYTHON_CLIENT),
    "kotlin": lambda: generators.installed(generators.OPENAPI_GENERATOR),
    "swift": lambda: generators.installed(generators.OPENAPI_GENERATOR),
}


def _generate(language: str, to: Path) -> list[str]:
    """Makes a client; what its generator complains of."""
    try:
        NEEDS[language]()
    except subprocess.CalledProcessError:
        pytest.skip(f"the generator for {language} could not be installed: PyPI and npm must be reachable")
    done = subprocess.run(
        ["make", "client", f"LANG={language}", f"TO={to}", f"VENV={sys.prefix}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert done.stdout.splitlines()[-1] == f"The {language} client is in {to}"
    return [
        line for line in said.splitlines() if COMPLAINT.search(line) and not OF_EVERY_DOCUMENT.search(line)
    ]


def _drives(system: System, name: str, program: Callable[[dict[str, str]], str]) -> None:
    """Runs it until it ends well, three times at most: none repeats what a busy system refuses."""
    for number in range(3):
        asha = Person(system.urls[0], "customer", f"{name}-{number}")
        ravi = Person(system.urls[0], "driver", f"{name}-{number}")
        people = {"WEELO_URL": system.urls[0], "CUSTOMER_TOKEN": asha.token, "DRIVER_TOKEN": ravi.token}
        try:
            assert program(people).strip() == "completed"
        except subprocess.CalledProcessError as failed:
            print(failed.stdout, failed.stderr)
        else:
            return
        finally:
            ravi.http.put("/drivers/me/availability", json={"available": False})
    raise AssertionError("the program has failed three times; what it said is above")


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    known = os.environ | environment
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, check=True).stdout


@pytest.mark.long
@pytest.mark.timeout(600)
def test_typescript_compiles_and_drives(tmp_path: Path, system: System, name: str) -> None:
    assert _generate("typescript", tmp_path) == []
    packages = generators.node_modules(generators.OPENAPI_TYPESCRIPT)
    (tmp_path / "node_modules").symlink_to(packages)
    shutil.copy(EXAMPLES / "typescript" / "drive.ts", tmp_path)
    options = [
        "--noEmit",
        "--strict",
        "--allowImportingTsExtensions",
        "--target",
        "es2022",
        "--module",
        "preserve",
    ]
    node = str(generators.NODE)
    _run([node, str(packages / "typescript/bin/tsc"), *options, "drive.ts"], tmp_path, {})
    (tmp_path / "package.json").write_text('{"type": "module"}')
    _drives(system, name, lambda people: _run([node, "drive.ts"], tmp_path, people))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_python_compiles_and_drives(tmp_path: Path, system: System, name: str) -> None:
    assert _generate("python", tmp_path) == []
    modules = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.py")]
    assert len(modules) > 200
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in modules]
    code = "import importlib\n" + "".join(f"importlib.import_module({name!r})\n" for name in names)
    path = f"{tmp_path}:{generators.installed(generators.OPENAPI_PYTHON_CLIENT)}"
    _run([sys.executable, "-W", "error", "-c", code], tmp_path, {"PYTHONPATH": path})
    drive = [sys.executable, str(EXAMPLES / "python" / "drive.py")]
    _drives(system, name, lambda people: _run(drive, tmp_path, people))


@pytest.mark.by_hand
@pytest.mark.timeout(900)
def test_kotlin_compiles_and_drives(tmp_path: Path, system: System, name: str) -> None:
    assert _generate("kotlin", tmp_path / "client") == []
    sources = [tmp_path / "client/src/main/kotlin", EXAMPLES / "kotlin" / "Drive.kt"]
    command = compilers.kotlin(sources, tmp_path)
    _drives(system, name, lambda people: _run(command, tmp_path, people))


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("language", "files"), [("kotlin", "*.kt"), ("swift", "*.swift")])
def test_it_is_generated_without_a_warning_of_ours(tmp_path: Path, language: str, files: str) -> None:
    assert _generate(language, tmp_path) == []
    assert len([*tmp_path.rglob(files)]) > 100


@pytest.mark.by_hand
@pytest.mark.timeout(1800)
def test_swift_compiles_and_drives(tmp_path: Path, system: System, name: str) -> None:
    if missing := compilers.swift_missing():
        pytest.skip(missing)
    assert _generate("swift", tmp_path) == []
    command = compilers.swift(tmp_path, EXAMPLES / "swift" / "main.swift")
    _drives(system, name, lambda people: _run(command, tmp_path, people))


@pytest.mark.parametrize(
    "path", [file for file in EXAMPLES.rglob("*.*") if file.is_file()], ids=lambda path: path.name
)
def test_a_program_has_about_twenty_lines(path: Path) -> None:
    code = [
        line for line in path.read_text().splitlines() if line.strip() and not line.startswith(("//", "#"))
    ]
    assert len(code) <= 30
