"""`make twin`: the blocking half of the Python client, made of its asyncio half."""

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[2] / "clients/python/weelo_client"
MODULES = ("closing", "customer", "doors", "driver", "events")
BLOCKING = (
    (r"\b(async |await |Async(?=[A-Z]))", ""),
    (r"\bweelo_client\.aio\.", "weelo_client."),
    (r"\bwebsockets\.asyncio\.", "websockets.sync."),
    (r"\bfrom asyncio import sleep", "from time import sleep"),
    (r"\b__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\ba(close|closing|next)\b", r"\1"),
    (r"\btask\b", "thread"),
    # What a generator that is running elsewhere raises when it is closed.
    (r"\bRuntimeError\b", "ValueError"),
)


def of(module: str) -> str:
    """The text of the blocking module of this name."""
    text = (CLIENT / "aio" / f"{module}.py").read_text()
    for words, instead in BLOCKING:
        text = re.sub(words, instead, text)
    text = f"# Made of aio/{module}.py by `make twin`.\n{text}"
    fixes = ["--quiet", "--select", "I,UP028", "--fix", "--unsafe-fixes"]
    return _ruff("format", text=_ruff("check", *fixes, text=text))


def _ruff(*command: str, text: str) -> str:
    ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(CLIENT / "twin.py"), "-"]
    return subprocess.run(ruff, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    for name in MODULES:
        (CLIENT / f"{name}.py").write_text(of(name))
