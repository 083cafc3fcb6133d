"""Copies of the product with pieces of its code replaced."""

import shutil
from pathlib import Path

from tests.conftest import ROOT

PARTS = ("models", "workers", "tasks", "web", "server", "gunicornconfig.py", "celeryconfig.py", "Procfile")


def mutated(directory: Path, *changes: tuple[str, str, str]) -> Path:
    """A copy of the product with these replacements in its files."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            directory.mkdir(exist_ok=True)
            shutil.copy(ROOT / part, directory / part)
    for name, old, new in changes:
        text = (directory / name).read_text()
        assert text.count(old) == 1, f"{name} has changed: update this mutation"
        (directory / name).write_text(text.replace(old, new))
    return directory
