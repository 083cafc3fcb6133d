"""Reads the Procfile."""

import shlex
from pathlib import Path

from honcho.environ import parse_procfile  # type: ignore[import-untyped]


def read(path: Path) -> dict[str, tuple[str, ...]]:
    """The words of each process' command by its name, in the order of the file."""
    processes = parse_procfile(path.read_text()).processes
    return {name: tuple(shlex.split(command)) for name, command in processes.items()}
