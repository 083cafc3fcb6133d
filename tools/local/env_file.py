"""The file `.env` of a checkout: settings for `make run` and for the commands that look at what runs.

What the environment says goes before it. No process reads the file by itself, so that it counts nowhere else.

Usage: python -m tools.local.env_file > .env.example: every setting, its default, and what is said of it in
`models/settings.py`.
"""

import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path

from honcho.environ import parse  # type: ignore[import-untyped]
from pydantic_settings import BaseSettings

from models.settings import Server, Settings

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
# Settings of `make run`: copy this file to .env, and take the # away from what you change. Times are seconds
# unless the name says otherwise. Made from models/settings.py:
# python -m tools.local.env_file > .env.example
"""
LINE = re.compile(r"    (?:(?P<comment># .*)|(?P<name>[a-z_]+): .*)$")


def read() -> None:
    """Takes the settings of `.env` into this process' environment, where they are not given yet."""
    file = ROOT / ".env"
    if file.exists():
        for name, value in parse(file.read_text()).items():
            os.environ.setdefault(name, value)


def example() -> str:
    """The whole of `.env.example`."""
    return "\n".join([HEAD, *_lines(Settings), *_lines(Server)]) + "\n"


def _lines(kind: type[BaseSettings]) -> Iterator[str]:
    """Settings in the order of their class, each with the comment that is above it there."""
    comments: list[str] = []
    for line in inspect.getsource(kind).splitlines():
        found = LINE.match(line)
        if found and found["comment"]:
            comments.append(found["comment"])
        elif found and found["name"] in kind.model_fields:
            yield from comments
            yield f"#{found['name'].upper()}={_default(kind, found['name'])}"
            comments = []
        else:
            comments = []


def _default(kind: type[BaseSettings], name: str) -> str:
    """What counts without the setting; nothing for what has a password in it."""
    field = kind.model_fields[name]
    value = field.get_default(call_default_factory=True, validated_data={"orders_per_minute": 5})
    return str(value).lower() if isinstance(value, bool) else str(value) if field.repr else ""


if __name__ == "__main__":
    print(example(), end="")
