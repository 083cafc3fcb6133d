"""Builds the virtual environment in which every other command runs.

Standard library only, because nothing is installed yet when it starts. A stamp says what has been
installed, so that the usual case costs a few milliseconds.

Usage: python -m tools.local.bootstrap VENV run|dev
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.local import surroundings

ROOT = Path(__file__).resolve().parents[2]

# What each level installs; `dev` contains `run`.
LEVELS = {
    "run": ("requirements.txt", "requirements-local.txt"),
    "dev": ("requirements.txt", "requirements-local.txt", "requirements-dev.txt"),
}
# Ours, imported from where it lies: what an editable install would do, without a tool that builds.
CLIENT = ROOT / "clients" / "python"
# Apart from the others: a platform without a build of these two uses the system's own servers.
STORES = "requirements-stores.txt"

NO_VENV = (
    "weelo: python3-venv is missing: apt install python3-venv, or set PYTHON=... to a Python that has it."
)


def _fingerprint(level: str) -> str:
    files = [*LEVELS[level], STORES]
    return hashlib.sha256(b"\0".join((ROOT / name).read_bytes() for name in files)).hexdigest()


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor} in {sys.base_prefix}"


def _stamp(venv: Path) -> dict[str, str]:
    """What has been installed here, completely; empty if that is not sure."""
    try:
        stamp = json.loads((venv / "installed.json").read_text())
    except (OSError, ValueError):
        return {}
    usable = stamp.get("python") == _python() and (venv / "bin" / "python").exists() and _stays_here(venv)
    return dict(stamp) if usable else {}


def _stays_here(venv: Path) -> bool:
    """Whether its programs name this very environment, and not one that it was moved or copied from."""
    try:
        head = (venv / "bin" / "celery").read_bytes()[:1024].decode(errors="replace")
        named = re.search(r"(/[^'\"\n]*)/bin/python", head)
        return named is not None and os.path.samefile(named[1], venv)
    except OSError:
        return False


def _write_stamp(venv: Path, levels: list[str]) -> None:
    stamp = {"python": _python()} | {level: _fingerprint(level) for level in levels}
    whole = venv / "installed.json.new"
    whole.write_text(json.dumps(stamp, indent=1))
    whole.replace(venv / "installed.json")


def _installed(venv: Path, level: str) -> bool:
    return _stamp(venv).get(level) == _fingerprint(level)


def _say(text: str) -> None:
    print(f"weelo: {text}", file=sys.stderr, flush=True)


@contextmanager
def _alone(venv: Path) -> Iterator[int]:
    """Two commands at once in one checkout install one after the other; yields the lock."""
    venv.parent.mkdir(parents=True, exist_ok=True)
    with venv.with_name(f"{venv.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another command is installing into {venv.name}; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _create(venv: Path, lock: int) -> None:
    if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        sys.exit(NO_VENV)
    # The base interpreter: this one may be the very environment that is about to be replaced, and one whose
    # creation was interrupted does not know that it is an environment.
    base = Path(getattr(sys, "_base_executable", sys.executable))
    if base.is_relative_to(venv):
        base = base.resolve()
    made = subprocess.run(
        [base, "-I", "-m", "venv", "--clear", venv], capture_output=True, text=True, pass_fds=(lock,)
    )
    if made.returncode:
        said = " ".join((made.stdout + made.stderr).split()[-40:])
        sys.exit(f"weelo: {base} could not create {venv}: {said}")


def _pip(venv: Path, files: tuple[str, ...], lock: int) -> bool:
    """Installs exactly what the files pin; the words of pip go to `install.log` in the environment."""
    requirements = [word for name in files for word in ("-r", str(ROOT / name))]
    hashed = ["--require-hashes", "--only-binary", ":all:"]
    quiet = ["--no-user", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    with (venv / "install.log").open("a") as log:
        command = [str(venv / "bin" / "python"), "-I", "-m", "pip", "install", *quiet, *hashed, *requirements]
        # It inherits the lock: if we are killed, nobody else begins before it has ended.
        environment = surroundings.for_pip(os.environ)
        done = subprocess.run(command, env=environment, stdout=log, stderr=log, pass_fds=(lock,))
        return done.returncode == 0


def _link_client(venv: Path) -> None:
    [packages] = (venv / "lib").glob("python*/site-packages")
    (packages / "weelo_client.pth").write_text(f"{CLIENT}\n")


def _count(files: tuple[str, ...]) -> int:
    pinned = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
    return len({name for file in files for name in pinned.findall((ROOT / file).read_text())})


def _install(venv: Path, level: str, lock: int) -> None:
    before = _stamp(venv)
    if not before:
        _create(venv, lock)
    # From here until the end the environment is neither the old nor the new one; but what `dev` adds leaves
    # alone what `run` has installed, even if it is interrupted.
    if level == "run" or before.get("run") != _fingerprint("run"):
        (venv / "installed.json").unlink(missing_ok=True)
    started = time.monotonic()
    files = LEVELS[level]
    _say(f"installing {_count((*files, STORES))} packages into {venv}, about a minute ...")
    if not _pip(venv, files, lock):
        sys.exit(f"weelo: the packages could not be installed; pip says why in {venv / 'install.log'}.")
    if not _stays_here(venv):
        sys.exit(
            "weelo: pip has installed nothing here: is a target, prefix or root set in its configuration "
            "(pip config list)?"
        )
    _link_client(venv)
    if not _pip(venv, (STORES,), lock):
        _say(
            f"no build of Postgres and Valkey for this platform ({venv / 'install.log'}): "
            "the system's postgres and redis-server are used. After `make clean` it is tried again."
        )
    _write_stamp(venv, [name for name in LEVELS if set(LEVELS[name]) <= set(files)])
    _say(f"installed in {time.monotonic() - started:.0f} s.")


def main(venv: Path, level: str) -> None:
    if _installed(venv, level):
        return
    with _alone(venv) as lock:
        if not _installed(venv, level):
            _install(venv, level, lock)


if __name__ == "__main__":
    try:
        main(Path(os.path.abspath(sys.argv[1])), sys.argv[2])
    except KeyboardInterrupt:
        sys.exit(130)
