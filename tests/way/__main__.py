"""Prints the files that run for one order, or writes their list into docs/tour.md.

Usage: python -m tests.way [--write]
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT, own_stores
from tests.way.following import follow_one_order

TOUR = ROOT / "docs" / "tour.md"
LIST = re.compile(r"(?<=<!-- files of the way -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table(files: dict[str, set[str]]) -> str:
    """The list as Markdown: how many, then each file with the processes in which it runs."""
    everything = sorted(set().union(*files.values()))
    lines = (ROOT / name for name in everything)
    length = sum(len(path.read_text().splitlines()) for path in lines)
    rows = [f"{len(everything)} files, {length:,} lines.\n"]
    for folder in sorted({name.rpartition("/")[0] for name in everything}):
        inside = [name for name in everything if name.rpartition("/")[0] == folder]
        rows.append("- " + ", ".join(f"`{name}`" for name in inside))
    return "\n" + "\n".join(rows) + "\n\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/tour.md")
    wanted = parser.parse_args()
    with own_stores("weelo-way-") as stores, tempfile.TemporaryDirectory() as folder:
        files = follow_one_order(stores.environment, Path(folder))
    found = table(files)
    print(found)
    if wanted.write:
        TOUR.write_text(LIST.sub(lambda _: found, TOUR.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
