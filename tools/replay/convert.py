"""The command `python -m tools.replay.convert`: other people's recordings as the CSV that the replay reads.

It writes `pings.csv`, and `trips.csv` where the recording knows of trips.
"""

import argparse
import csv
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tools.replay import recordings
from tools.replay.reading import PING_COLUMNS, TRIP_COLUMNS, BadRows, InputProblem

DONE, NOT_DONE = 0, 2
SHOWN_BAD = 10


def main() -> int:
    arguments = _arguments()
    try:
        zone = _zone(arguments.zone)
        counts, bad = convert(arguments.source, arguments.to, zone)
    except InputProblem as problem:
        print(problem, file=sys.stderr)
        return NOT_DONE
    except OSError as error:
        print(
            f"{error.filename or arguments.to} cannot be written: {error.strerror or error}.", file=sys.stderr
        )
        return NOT_DONE
    for lost in bad:
        for line, reason in lost.first[:SHOWN_BAD]:
            print(f"{lost.file}, line {line}: {reason}")
        if lost.count > SHOWN_BAD:
            print(f"{lost.file}: {lost.count - SHOWN_BAD} more bad lines")
    print(_summary(counts, arguments.to))
    return DONE


def convert(source: Path, to: Path, zone: tzinfo = UTC) -> tuple[dict[str, int], list[BadRows]]:
    """Converts a file, or each file of a folder; rows written by file name, and the unusable lines.

    Times without a zone are of ``zone``. Raises ``InputProblem``.
    """
    files = sorted(path for path in source.iterdir() if path.is_file()) if source.is_dir() else [source]
    bad = [BadRows(path.name) for path in files]
    rows = (row for path, lost in zip(files, bad, strict=True) for row in recordings.rows(path, zone, lost))
    counts = _write(rows, to)
    if not counts:
        first = next(
            (f" ({lost.file}, line {lost.first[0][0]}: {lost.first[0][1]})" for lost in bad if lost.first), ""
        )
        raise InputProblem(f"Nothing in {source} could be used{first}.")
    return counts, [lost for lost in bad if lost.count]


def _write(rows: Iterable[recordings.Row], to: Path) -> dict[str, int]:
    writers: dict[str, Any] = {}
    counts: dict[str, int] = {}
    with ExitStack() as files:
        for name, row in rows:
            if name not in writers:
                to.mkdir(parents=True, exist_ok=True)
                out = files.enter_context((to / name).open("w", newline="", encoding="utf-8"))
                writers[name] = csv.writer(out)
                writers[name].writerow(TRIP_COLUMNS if name == recordings.TRIPS else PING_COLUMNS)
            writers[name].writerow(row)
            counts[name] = counts.get(name, 0) + 1
    return counts


def _summary(counts: dict[str, int], to: Path) -> str:
    written = ", ".join(f"{count} rows in {to / name}" for name, count in sorted(counts.items()))
    if len(counts) == 2:
        return f"{written}: make replay TRIPS={to / recordings.TRIPS} PINGS={to / recordings.PINGS}"
    other = recordings.PINGS if recordings.TRIPS in counts else recordings.TRIPS
    return f"{written}. A replay needs {other} beside it: this recording has none."


def _zone(name: str) -> tzinfo:
    try:
        if name[:1] in ("+", "-"):
            offset = datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo
            return offset or UTC
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputProblem(f"ZONE={name} is no time zone such as Asia/Kolkata or +05:30.") from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.replay.convert", description=__doc__)
    parser.add_argument(
        "--from", dest="source", type=_source, required=True, help="a file, or a folder of them"
    )
    parser.add_argument(
        "--to", type=Path, default=Path(".run/converted"), help="folder to write to (default: %(default)s)"
    )
    parser.add_argument("--zone", default="UTC", help="of times without one, e.g. Asia/Shanghai or +08:00")
    return parser.parse_args()


def _source(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("no file is named (make convert FROM=trace.gpx)")
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
