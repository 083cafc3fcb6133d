"""Removes what the other commands have left in this checkout, and what they had to put outside it.

Standard library only, as it removes the environment that it could import from.

Usage: python -m tools.local.clean VENV
"""

import fcntl
import shutil
import sys
from pathlib import Path

from tools.local import running, unprivileged

CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache", ".hypothesis")
STORES = ("postgres", "valkey")


def _refuse_while_running() -> None:
    if not running.LOCK.exists():
        return
    with running.LOCK.open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"weelo: it is running, pid {lock.read().strip()}; stop it first.")


def main(venv: Path) -> None:
    _refuse_while_running()
    for store in STORES:
        unprivileged.remove(running.DIRECTORY / store)
    bytecode = [found for found in running.ROOT.rglob("__pycache__") if ".git" not in found.parts]
    for directory in (venv, running.DIRECTORY, *(running.ROOT / name for name in CACHES), *bytecode):
        shutil.rmtree(directory, ignore_errors=True)
    venv.with_name(f"{venv.name}.lock").unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
