"""Reads the Procfile: `name: command` lines, `#` comments. The commands run without a shell."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

LINE = re.compile(r"^(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)$")


@dataclass(frozen=True)
class Entry:
    """One process of the system."""

    name: str
    command: tuple[str, ...]


def read(path: Path) -> list[Entry]:
    """The processes in the order of the file. Raises ValueError, naming the line."""
    entries = []
    for number, text in enumerate(path.read_text().splitlines(), start=1):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        match = LINE.match(text)
        if not match:
            raise ValueError(f"{path.name}, line {number}, is not of the form `name: command`")
        entries.append(Entry(match["name"], tuple(shlex.split(match["command"]))))
    return entries
