"""`make secrets`: looks for what looks like a secret, in every tracked file and in the history.

It finds what has a shape: private keys, tokens, cloud keys, passwords in addresses or beside a name
such as PASSWORD. It cannot find a password that looks like a word.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

SHAPES = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "signed token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}"),
    "cloud key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}\b"),
    "service token": re.compile(
        r"\b(?:gh[pousr]_\w{36}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10,}|sk_live_\w{16,})"
    ),
    "password in an address": re.compile(r"\b[a-z][a-z0-9+]*://[^\s/:@{}$<]*:([^\s/:@{}$<]{6,})@"),
    "value of a secret name": re.compile(
        r"(?i)\b\w*(?:secret|password|api_?key|access_?token)\w*['\"]?\s*[:=]\s*['\"]([^'\"\s{}$]{16,})['\"]"
    ),
}
# Said to be no secret by themselves.
NAMED = re.compile(r"(?i)not-for-production|hidden|example|\.\.\.")
# A line that has been looked at says so.
LOOKED_AT = "no secret:"
# Hashes of packages, and the one scan that names the shapes.
LEFT_OUT = re.compile(r"requirements[\w-]*\.txt|tests/unit/test_audit\.py|.*\.png")


def found(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The number of each suspicious line, from 1, and the shape that it has."""
    for number, line in enumerate(lines, 1):
        if NAMED.search(line) or LOOKED_AT in line:
            continue
        for name, shape in SHAPES.items():
            if shape.search(line):
                yield number, name


def in_tree() -> Iterator[str]:
    """Every place in a tracked file, as ``path:line: shape``; the secret itself is not repeated."""
    for name in _git("ls-files").splitlines():
        if not LEFT_OUT.fullmatch(name):
            text = (ROOT / name).read_text(errors="replace")
            yield from (f"{name}:{number}: {shape}" for number, shape in found(text.splitlines()))


def in_history() -> Iterator[str]:
    """Every commit that added such a line to a file, whether it is still there or not."""
    commit = name = ""
    for line in _git("log", "--all", "-p", "--no-color", "--format=commit %h").splitlines():
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")
        elif line.startswith("+++ b/"):
            name = line.removeprefix("+++ b/")
        elif line.startswith("+") and not LEFT_OUT.fullmatch(name):
            yield from (f"{commit} {name}: {shape}" for _, shape in found([line[1:]]))


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, errors="replace", check=True
    ).stdout


def main() -> int:
    places = [*in_tree(), *in_history()]
    print("\n".join(places) or "no secrets found, in the files or in the history")
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main())
